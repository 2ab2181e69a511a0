"""docs/how-to/close-the-way-inside.md: its program judges as the page says."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from ringback import Ringback
from ringback._errors import Blocked
from ringback._urls import parse_url

PROGRAM = Path(__file__).resolve().parents[1] / "operating" / "with_policy.py"


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch, sqlite_url: str) -> ModuleType:
    monkeypatch.setenv("DATABASE_URL", sqlite_url)
    monkeypatch.delenv("EGRESS_PROXY", raising=False)
    spec = importlib.util.spec_from_file_location("operating_with_policy", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def may_call(ringback: Ringback, owner: str, url: str) -> bool:
    try:
        ringback.owner_guards.of(owner).policy.check_url(parse_url(url))
    except Blocked:
        return False
    return True


@pytest.mark.parametrize(
    ("owner", "url", "allowed"),
    [
        ("anybody", "https://shop.example/x", True),
        ("anybody", "https://api.our-own-product.example/x", False),
        ("anybody", "http://10.20.0.1/x", False),
        ("acme", "http://10.20.0.1:9000/x", True),
        ("acme", "http://10.21.0.1/x", False),
        ("acme", "https://api.our-own-product.example/x", False),
        ("acme", "http://169.254.169.254/x", False),
        ("careful", "https://api.careful.example/x", True),
        ("careful", "http://api.careful.example/x", False),
        ("careful", "https://shop.example/x", False),
    ],
)
def test_each_owner_may_call_what_the_page_says(
    program: ModuleType, owner: str, url: str, allowed: bool
) -> None:
    assert may_call(program.ringback, owner, url) is allowed
