import time
from collections.abc import Iterator

import pytest
import typer

from ringback.cli._times import iso_time, local_time, read_duration, span


@pytest.fixture
def in_kolkata(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Kolkata")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 ms"),
        (0.0123, "12 ms"),
        (3.21, "3.2 s"),
        (59.6, "1 min"),
        (250, "4 min 10 s"),
        (7_205, "2 h"),
        (7_260, "2 h 1 min"),
        (273_600, "3 d 4 h"),
        (-90, "-1 min 30 s"),
    ],
)
def test_a_span_has_its_two_largest_units(seconds: float, words: str) -> None:
    assert span(seconds) == words


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30d", 2_592_000),
        ("12h", 43_200),
        ("15min", 900),
        ("15m", 900),
        ("90s", 90),
        ("1d12h", 129_600),
        ("2w", 1_209_600),
        ("1D 12H", 129_600),
        ("0s", 0),
    ],
)
def test_a_duration_is_read(text: str, seconds: float) -> None:
    assert read_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "d", "-1d", "1.5h", "30 days", "3０d", "1e3d", "99999999999d"])
def test_a_duration_that_is_none_is_a_usage_error_with_its_text(text: str) -> None:
    with pytest.raises(typer.BadParameter, match=r"duration"):
        read_duration(text)


@pytest.mark.usefixtures("in_kolkata")
def test_people_see_their_own_clock_and_its_zone() -> None:
    assert local_time(1_800_000_000.0) == "2027-01-15 13:30:00 IST"


def test_programs_see_utc() -> None:
    assert iso_time(1_800_000_000.25) == "2027-01-15T08:00:00.250Z"
    assert iso_time(None) is None
