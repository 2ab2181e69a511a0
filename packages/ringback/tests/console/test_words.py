"""Times and numbers as people say them."""

import pytest

from ringback.console._words import ago, capital, count, iso, span, stamp


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        *((-1, "0 ms"), (0.0456, "46 ms"), (1, "1 s"), (5.04, "5 s"), (9.5, "9.5 s"), (59.6, "1 min")),
        *((61, "1 min 1 s"), (3600, "1 h"), (3605, "1 h"), (90_000, "1 d 1 h"), (8_640_000, "100 d")),
    ],
)
def test_a_duration_has_its_two_largest_units(seconds: float, words: str) -> None:
    assert span(seconds) == words


@pytest.mark.parametrize(
    ("distance", "words"),
    [(0.4, "now"), (-0.4, "now"), (1, "in 1 s"), (-59, "59 s ago"), (-60, "1 min ago"), (7201, "in 2 h")],
)
def test_a_moment_is_near_or_far(distance: float, words: str) -> None:
    assert ago(1000 + distance, 1000) == words


def test_moments_are_told_in_utc() -> None:
    assert stamp(1_764_000_000.75) == "2025-11-24 16:00:00 UTC"
    assert iso(1_764_000_000.75) == "2025-11-24T16:00:00.750Z"


def test_nouns_are_counted() -> None:
    assert count(1, "delivery") == "1 delivery"
    assert count(1200, "delivery") == "1,200 deliveries"
    assert count(0, "attempt") == "0 attempts"
    assert capital("answered 500: PAY") == "Answered 500: PAY"
