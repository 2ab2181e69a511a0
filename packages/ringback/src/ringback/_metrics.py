"""Figures for a monitoring system: what this process has attempted, and what the database holds.

They are written as Prometheus reads them (text exposition format 0.0.4). The names of labels and their values
are few and known beforehand: no owner, no address and no id is among them.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from ringback._store import browsing, overview
from ringback._types import State
from ringback._verdict import Verdict

__all__ = ["CONTENT_TYPE", "Measures", "Standing", "exposition", "look"]

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
COUNTED_UP_TO: Final = 100_000
"""Open deliveries are counted no further."""

_EDGES: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 60.0)
_OPEN: Final = (State.PENDING, State.WAITING, State.SENDING)
_OUTCOMES: Final[Mapping[State, str]] = {State.DELIVERED: "delivered", State.DEAD: "dead"}


class Measures:
    """Counts attempts in this process, since it began."""

    def __init__(self) -> None:
        self.attempts: Counter[tuple[str, str, str]] = Counter()
        self.durations: dict[str, list[int]] = {}
        self.seconds: dict[str, float] = {}

    def attempted(self, channel: str, verdict: Verdict, seconds: float) -> None:
        """Count one attempt that has ended."""
        outcome = _OUTCOMES.get(verdict.state, "failed")
        answer = "none" if verdict.status_code is None else f"{verdict.status_code // 100}xx"
        self.attempts[channel, outcome, answer] += 1
        counts = self.durations.get(channel)
        if counts is None:
            counts = self.durations[channel] = [0] * (len(_EDGES) + 1)
        counts[bisect_left(_EDGES, seconds)] += 1
        self.seconds[channel] = self.seconds.get(channel, 0.0) + seconds


@dataclass(frozen=True, slots=True)
class Standing:
    """What the database holds now. Counts end at a limit; seconds where they are times."""

    open: Mapping[str, int]
    due: int
    oldest_due: float
    disabled: int
    failing: int


def look(connection: Connection, now: float) -> Standing:
    """Count in the database, by the ends of indexes and up to limits."""
    queues = overview.backlog(connection, now)
    trouble = overview.trouble(connection)
    oldest = min((one.oldest_due_at for one in queues if one.oldest_due_at is not None), default=now)
    return Standing(
        open=browsing.count_up_to(connection, _OPEN, COUNTED_UP_TO),
        due=sum(one.due for one in queues),
        oldest_due=max(0.0, now - oldest),
        disabled=trouble.disabled,
        failing=trouble.failing,
    )


def exposition(measures: Measures, standing: Standing, *, is_delivering: bool) -> str:
    """Everything as text, each line one figure."""
    lines = [
        *_family("ringback_deliveries", "gauge", "Deliveries that have not ended, by state."),
        *(_line("ringback_deliveries", value, state=state) for state, value in standing.open.items()),
        *_family("ringback_deliveries_due", "gauge", "Deliveries that are due and not taken up yet."),
        _line("ringback_deliveries_due", standing.due),
        *_family("ringback_oldest_due_seconds", "gauge", "How long the oldest of them has been due."),
        _line("ringback_oldest_due_seconds", standing.oldest_due),
        *_family("ringback_endpoints", "gauge", "Endpoints in trouble."),
        _line("ringback_endpoints", standing.disabled, health="disabled"),
        _line("ringback_endpoints", standing.failing, health="failing"),
        *_family("ringback_worker_running", "gauge", "Whether this process delivers."),
        _line("ringback_worker_running", int(is_delivering)),
        *_family("ringback_attempts_total", "counter", "Attempts that have ended, in this process."),
        *(
            _line("ringback_attempts_total", value, channel=channel, outcome=outcome, answer=answer)
            for (channel, outcome, answer), value in sorted(measures.attempts.items())
        ),
        *_family("ringback_attempt_seconds", "histogram", "How long attempts took, in this process."),
        *_histograms(measures),
    ]
    return "\n".join(lines) + "\n"


def _histograms(measures: Measures) -> Iterable[str]:
    for channel, counts in sorted(measures.durations.items()):
        total = 0
        for edge, count in zip((*map(str, _EDGES), "+Inf"), counts, strict=True):
            total += count
            yield _line("ringback_attempt_seconds_bucket", total, channel=channel, le=edge)
        yield _line("ringback_attempt_seconds_sum", measures.seconds[channel], channel=channel)
        yield _line("ringback_attempt_seconds_count", total, channel=channel)


def _family(name: str, kind: str, meaning: str) -> tuple[str, str]:
    return f"# HELP {name} {meaning}", f"# TYPE {name} {kind}"


def _line(name: str, value: float, **labels: str) -> str:
    written = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
    return f"{name}{{{written}}} {value!r}" if written else f"{name} {value!r}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
