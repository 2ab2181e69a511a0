"""When attempts are due."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback._schedule import DAY, RetrySchedule, parse_retry_after

MIDDLE = 0.5  # a draw that adds no jitter

NOW = 1_799_000_000.0


def delays(schedule: RetrySchedule) -> list[float | None]:
    return [schedule.next_delay(made, chance=lambda: MIDDLE) for made in range(12)]


def test_the_standard_schedule_has_ten_attempts_over_75_hours_and_35_minutes() -> None:
    planned = delays(RetrySchedule())
    assert planned[:4] == [0, 5, 300, 1800]
    assert planned[10:] == [None, None]
    assert sum(d for d in planned if d is not None) == 75 * 3600 + 35 * 60 + 5


@given(st.floats(0, 1, exclude_max=True), st.integers(1, 9))
def test_jitter_stays_within_a_fifth(draw: Any, made: Any) -> None:
    planned = RetrySchedule().delays[made]
    delay = RetrySchedule().next_delay(made, chance=lambda: draw)
    assert 0.8 * planned <= delay <= 1.2 * planned


@pytest.mark.parametrize(
    ("wish", "expected"),
    [(None, 5.0), (2.0, 5.0), (60.0, 60.0), (10 * DAY, DAY), (0.0, 5.0)],
)
def test_a_wish_to_wait_makes_the_wait_longer_up_to_a_day_and_never_shorter(wish: Any, expected: Any) -> None:
    assert RetrySchedule().next_delay(1, chance=lambda: MIDDLE, retry_after=wish) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("120", 120.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("-5", None),
        ("1e3", None),
        ("１２", None),
        ("", None),
        ("soon", None),
        ("9" * 5000, 999_999_999_999.0),
        ("Mon, 04 Jan 2027 06:13:20 GMT", 60.0 * 60 * 24 * 1.0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", None),
        ("Mon, 99 Jan 2027 06:13:20 GMT", None),
    ],
)
def test_retry_after_is_read_in_both_forms_and_garbage_is_no_wish(value: Any, expected: Any) -> None:
    assert parse_retry_after(value, now=1_798_956_800.0) == (
        pytest.approx(expected) if expected is not None else None
    )


@given(st.text(max_size=60))
def test_no_retry_after_text_ever_raises(value: Any) -> None:
    wait = parse_retry_after(value, now=NOW)
    assert wait is None or wait >= 0


@pytest.mark.parametrize("wrong", [{"delays": ()}, {"delays": (0, -1)}, {"jitter": 1.0}, {"jitter": -0.1}])
def test_a_senseless_schedule_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match="retry schedule"):
        RetrySchedule(**wrong)


def test_the_schedule_can_be_read_as_a_sentence() -> None:
    words = RetrySchedule().in_words()
    assert words.startswith("Up to 10 attempts over about 75 h 35 min 5 s: at once, then after 5 s, 5 min,")
    assert "±20%" in words
