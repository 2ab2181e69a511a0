"""docs/reference/settings.md names every setting, and what it is where it is not given."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import PydanticUndefined

from invoices.settings import Settings

PAGE = Path(__file__).resolve().parents[3] / "docs/reference/settings.md"
ROW = re.compile(r"^\| `INVOICES_([A-Z_]+)` \| (?:`([^`]*)`)? ?\| (.+) \|$", re.MULTILINE)
ROWS = {name.lower(): (default, meaning) for name, default, meaning in ROW.findall(PAGE.read_text("utf-8"))}


def test_every_setting_has_its_row_and_no_row_is_of_another() -> None:
    assert sorted(ROWS) == sorted(Settings.model_fields)
    assert len(ROW.findall(PAGE.read_text("utf-8"))) == len(ROWS)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_the_default_is_what_the_page_says(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    default, _ = ROWS[name]
    field = Settings.model_fields[name]
    assert field.get_default(call_default_factory=True) is not PydanticUndefined
    meant: Any = getattr(Settings(), name)
    if not default:
        assert str(meant) in ("", "None", "[]", "**********"), "the page gives no default"
        return
    monkeypatch.setenv(f"INVOICES_{name.upper()}", default)
    assert getattr(Settings(), name) == meant


def test_lists_are_read_as_the_page_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for text in ("a.example, *.b.example", json.dumps(["a.example", "*.b.example"])):
        monkeypatch.setenv("INVOICES_CALLBACK_DENY_HOSTS", text)
        assert Settings().callback_deny_hosts == ["a.example", "*.b.example"]
