"""When the next attempt is due: the retry schedule, its jitter, and the receiver's Retry-After."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final

SECOND: Final = 1.0
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

# Ten attempts over 75 h 35 min: the example schedule of Standard Webhooks 1.0.0.
STANDARD_DELAYS: Final = (
    0.0,
    5 * SECOND,
    5 * MINUTE,
    30 * MINUTE,
    2 * HOUR,
    5 * HOUR,
    10 * HOUR,
    14 * HOUR,
    20 * HOUR,
    24 * HOUR,
)
_LONGEST_WISH: Final = DAY


@dataclass(frozen=True, slots=True)
class RetrySchedule:
    """Delays in seconds before each attempt, the first of them before the first attempt.

    `jitter` 0.2 spreads every delay evenly over ±20 %, so that receivers that come back are not met
    by everything at once.
    """

    delays: Sequence[float] = STANDARD_DELAYS
    jitter: float = 0.2

    def __post_init__(self) -> None:
        if not self.delays or min(self.delays) < 0 or not 0 <= self.jitter < 1:
            raise ValueError(
                f"A retry schedule needs a delay or more, none below 0, and a jitter from 0 to 1: {self}"
            )

    def next_delay(
        self, attempts_made: int, *, chance: Callable[[], float], retry_after: float | None = None
    ) -> float | None:
        """Seconds until the next attempt, or None when the schedule is used up.

        `chance` gives a number in [0, 1). `retry_after` (seconds) is what the receiver asked for: it
        can make the wait longer, up to 24 hours, and never shorter.
        """
        if attempts_made >= len(self.delays):
            return None
        planned = self.delays[attempts_made] * (1 + self.jitter * (2 * chance() - 1))
        return max(planned, min(retry_after or 0.0, _LONGEST_WISH))

    def in_words(self) -> str:
        """The schedule as a receiver's developer reads it."""
        waits = ", ".join(_span(delay) for delay in self.delays[1:])
        total = _span(sum(self.delays))
        return (
            f"Up to {len(self.delays)} attempts over about {total}: at once, then after {waits} "
            f"(±{self.jitter:.0%}), until one is answered as declared. `Retry-After` is honoured."
        )


def parse_retry_after(value: str, *, now: float) -> float | None:
    """Seconds to wait by a Retry-After header (RFC 9110, 10.2.3); None when it says nothing usable.

    Both forms are read, seconds and a date. A wait that is over, negative or not a number is None.
    """
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text[:12])
    try:
        wait = parsedate_to_datetime(text).timestamp() - now
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return wait if wait > 0 else None


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min"), (rest, "s")]
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 s"
