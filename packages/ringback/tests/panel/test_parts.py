"""What the panel is made of: its words on an answer, its allowances, and that it is off by default."""

import pytest
from fastapi import FastAPI

from ringback import Ringback, RingbackError
from ringback._verdict import judge_answer
from ringback.panel import mount_test_panel
from ringback.panel._allowances import Allowances
from ringback.panel._telling import tell
from ringback.testing import Clock


def test_a_breach_in_any_words_is_told_by_its_place_alone() -> None:
    for breach, told in {
        "$.a[0].b: 'SECRET' is too long": "$.a[0].b",
        "$['SECRET']: false schema": "$",
        "as documented, but the model refuses $.ok: SECRET": "$.ok",
        "media type 'text/html' is not documented (documented: application/json)":
            "media type 'text/html' is not documented",
        "the acknowledgement predicate raised ValueError: SECRET": "the answer cannot be read as documented",
        "SECRET": "the answer cannot be read as documented",
    }.items():  # fmt: skip
        assert tell(judge_answer(200, breach=breach, acknowledged=True)).breach == told


def test_allowances_come_back_with_time_and_each_name_has_its_own() -> None:
    clock = Clock(0.0)
    allowances = Allowances(10, 2, clock)
    assert [allowances.take("a") for _ in range(3)] == [0, 0, 6]
    assert allowances.take("b") == 0
    clock.advance(6)
    assert [allowances.take("a") for _ in range(2)] == [0, 6]
    clock.advance(3600)
    assert [allowances.take("a") for _ in range(3)] == [0, 0, 6]


def test_it_is_off_until_it_is_mounted(sqlite_url: str) -> None:
    app = FastAPI()
    Ringback(app, database=sqlite_url)
    assert [route for route in app.routes if "callback-tests" in getattr(route, "path", "")] == []


def test_an_app_without_a_ringback_is_told_so() -> None:
    with pytest.raises(RingbackError, match=r"Add Ringback\(app\) above"):
        mount_test_panel(FastAPI(), dependencies=[])
