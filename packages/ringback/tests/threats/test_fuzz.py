"""Threats t01, t12, t17 and t22: a little of each fuzz target; `fuzz.py` itself runs as long as you like."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FILE = Path(__file__).with_name("fuzz.py")


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["fuzz"] = module
    spec.loader.exec_module(module)
    return module


fuzz: Any = _load()

RUNS = {"url": 5000, "answer": 5000, "signature": 5000}


@pytest.mark.parametrize("name", fuzz.TARGETS)
def test_the_promise_of_each_target_holds_for_some_thousand_inputs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = fuzz.at_random(fuzz.TARGETS[name], fuzz.SEEDS[name], runs=RUNS[name], seconds=0, seed=7)
    assert done == RUNS[name]
    assert list(tmp_path.iterdir()) == []


def let_everything_in(_self: Any, _url: Any, _address: Any) -> None:
    """A guard whose last check is missing."""


def accept_everything(*_arguments: Any, **_options: Any) -> str:
    return "msg_1_abcdef12"


@pytest.mark.parametrize(
    ("name", "place", "broken"),
    [
        ("url", "ringback._guard.NetworkPolicy.check_address", let_everything_in),
        ("signature", "ringback.receiver._receiver.verify", accept_everything),
    ],
)
def test_a_promise_that_does_not_hold_is_found_and_kept(
    name: str,
    place: str,
    broken: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(place, broken)
    with pytest.raises(AssertionError):
        fuzz.at_random(fuzz.TARGETS[name], fuzz.SEEDS[name], runs=2000, seconds=0, seed=7)
    [kept] = tmp_path.iterdir()
    monkeypatch.undo()
    fuzz.TARGETS[name](kept.read_bytes())
