"""What counts as delivered."""

from typing import Any

import pytest

from ringback._types import State
from ringback._verdict import EXCERPT_BYTES, Verdict, excerpt, judge_answer


def judge(status: int, *, breach: str | None = None, acknowledged: bool = True) -> Verdict:
    return judge_answer(status, breach=breach, acknowledged=acknowledged)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_2xx_as_documented_is_delivered(status: Any) -> None:
    verdict = judge(status)
    assert (verdict.state, verdict.healthy, verdict.breach) == (State.DELIVERED, True, None)


def test_2xx_that_breaks_the_document_is_delivered_with_the_breach() -> None:
    verdict = judge(200, breach="$.ok is missing")
    assert (verdict.state, verdict.breach) == (State.DELIVERED, "$.ok is missing")
    assert "not as documented" in verdict.text


def test_2xx_that_does_not_acknowledge_is_tried_again() -> None:
    verdict = judge(200, acknowledged=False)
    assert (verdict.state, verdict.healthy) == (State.PENDING, False)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 304])
def test_redirects_are_failures(status: Any) -> None:
    verdict = judge(status)
    assert verdict.state is State.PENDING
    assert "not followed" in verdict.text


def test_410_ends_the_delivery_and_disables_the_endpoint() -> None:
    verdict = judge(410)
    assert (verdict.state, verdict.disable) == (State.DEAD, True)


@pytest.mark.parametrize(
    "status", [400, 401, 403, 404, 405, 408, 409, 413, 415, 422, 425, 429, 500, 502, 503, 504, 599]
)
def test_everything_else_is_tried_again(status: Any) -> None:
    verdict = judge(status)
    assert (verdict.state, verdict.healthy, verdict.disable) == (State.PENDING, False, False)
    assert str(status) in verdict.text


def test_a_breach_of_a_failed_answer_is_not_reported() -> None:
    assert judge(500, breach="not JSON").breach is None


def test_an_excerpt_is_short_storable_text() -> None:
    assert excerpt(b"") is None
    assert excerpt(b"\x00\xff{}") == "\ufffd\ufffd{}"
    assert excerpt(b"a" * 100_000) == "a" * EXCERPT_BYTES
