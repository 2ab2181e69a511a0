"""The figures of the overview: what ended in each span of a window, how, how quickly, and where."""

import asyncio
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection

from ringback._store import overview
from ringback._store.overview import Backlog, Ended, Sample, Trouble
from ringback._types import State

if TYPE_CHECKING:
    from ringback.console._desk import Desk

__all__ = ["WINDOWS", "Figures", "Place", "Span", "Statistician", "Window", "quantile"]

_FRESH: Final = 2.0
# Commits come in another order than the times that they hold; after this a span is taken to be complete.
_SETTLED: Final = 60.0
_KEPT: Final = 500
PLACES: Final = 12
_USUAL_PORT: Final = re.compile(r"^(http://.*):80$|^(https://.*):443$")


@dataclass(frozen=True, slots=True)
class Window:
    """How far back the overview looks: `count` spans of `width` seconds each."""

    word: str
    title: str
    width: int
    count: int

    def starts(self, now: float) -> list[int]:
        """Where its spans begin, the oldest first; the last one is under way."""
        last = int(now // self.width)
        return [(last - back) * self.width for back in reversed(range(self.count))]


WINDOWS: Final[Mapping[str, Window]] = {
    window.word: window
    for window in (
        Window("hour", "Last hour", 60, 60),
        Window("day", "Last 24 hours", 1800, 48),
        Window("week", "Last 7 days", 10_800, 56),
    )
}


@dataclass(frozen=True)
class Span:
    """What ended within `width` seconds from `since` (seconds since 1970)."""

    since: int
    width: int
    ended: Ended

    @cached_property
    def weight(self) -> float:
        """How many deliveries each one of the sample stands for."""
        return self.ended.count / len(self.ended.sample) if self.ended.sample else 0.0

    @property
    def at_once(self) -> float:
        """How many arrived by their first attempt."""
        return self._count(lambda one: one.state == State.DELIVERED and one.attempts <= 1)

    @property
    def later(self) -> float:
        """How many arrived by a later attempt."""
        return self._count(lambda one: one.state == State.DELIVERED and one.attempts > 1)

    @property
    def dead(self) -> float:
        """How many were given up."""
        return self._count(lambda one: one.state == State.DEAD)

    @property
    def success(self) -> float | None:
        """The share of those that arrived, of those that arrived or were given up."""
        return _share(self.at_once + self.later, self.dead)

    def duration(self, q: float) -> float | None:
        """The q-quantile of the receivers' answering times, in seconds."""
        return quantile([(one.duration, 1.0) for one in self.ended.sample if one.duration is not None], q)

    def _count(self, condition: Callable[[Sample], bool]) -> float:
        return self.weight * sum(1 for one in self.ended.sample if condition(one))


@dataclass(frozen=True, slots=True)
class Place:
    """How one destination does: `ended` in the window, `success` from 0 to 1, `p95` in seconds.

    `name` is what deliveries queue under, `address` the same without the owner and a usual port.
    """

    name: str
    address: str
    owner: str
    ended: float
    success: float | None
    p95: float | None
    due: int
    later: int
    oldest_due_at: float | None


@dataclass(frozen=True)
class Figures:
    """Everything on the overview, as it was at `now` (seconds since 1970)."""

    window: Window
    now: float
    spans: Sequence[Span]
    backlog: Sequence[Backlog]
    trouble: Trouble
    waiting: int
    sending: int

    @cached_property
    def ended(self) -> float:
        """How many ended in the window."""
        return sum(span.ended.count for span in self.spans)

    @property
    def is_more(self) -> bool:
        """Whether some span had more than are counted."""
        return any(span.ended.count >= overview.COUNTED_UP_TO for span in self.spans)

    @cached_property
    def dead(self) -> float:
        """How many were given up in the window."""
        return sum(span.dead for span in self.spans)

    @cached_property
    def delivered(self) -> float:
        """How many arrived in the window."""
        return sum(span.at_once + span.later for span in self.spans)

    @property
    def success(self) -> float | None:
        """The share of those that arrived."""
        return _share(self.delivered, self.dead)

    @property
    def due(self) -> int:
        """How many are due and not taken up yet."""
        return sum(one.due for one in self.backlog)

    @property
    def later(self) -> int:
        """How many have their next attempt ahead of them."""
        return sum(one.later for one in self.backlog)

    @property
    def oldest_due_at(self) -> float | None:
        """Since when the longest of them has been due."""
        return min((one.oldest_due_at for one in self.backlog if one.oldest_due_at is not None), default=None)

    def duration(self, q: float) -> float | None:
        """The q-quantile of the receivers' answering times in the window, in seconds."""
        return quantile(
            [
                (one.duration, span.weight)
                for span in self.spans
                for one in span.ended.sample
                if one.duration is not None
            ],
            q,
        )

    @cached_property
    def places(self) -> list[Place]:
        """The destinations: first those with the most that is due, then the busiest."""
        found: defaultdict[str, list[tuple[Sample, float]]] = defaultdict(list)
        for span in self.spans:
            for one in span.ended.sample:
                found[one.destination].append((one, span.weight))
        queues = {one.destination: one for one in self.backlog}
        places = [_place(name, found[name], queues.get(name)) for name in {*found, *queues}]
        return sorted(places, key=lambda place: (-place.due, -place.ended, place.name))


class Statistician:
    """Reads the figures; spans that are over are read once, and all figures no oftener than they change."""

    def __init__(self, desk: "Desk") -> None:
        self._desk = desk
        self._lock = asyncio.Lock()
        self._spans: dict[tuple[int, int], Ended] = {}
        self._last: dict[str, tuple[float, Figures]] = {}

    async def figures(self, window: Window) -> Figures:
        """The figures of a window, two seconds old at most: all who look share them."""
        async with self._lock:
            last = self._last.get(window.word)
            if last is not None and time.monotonic() - last[0] <= _FRESH:
                return last[1]
            figures, _ = await self._desk.read(lambda connection: self._read(connection, window))
            self._last[window.word] = time.monotonic(), figures
            return figures

    def _read(self, connection: Connection, window: Window) -> Figures:
        now = self._desk.now(connection)
        pulse = overview.pulse(connection)
        return Figures(
            window=window,
            now=now,
            spans=[self._span(connection, since, window.width, now) for since in window.starts(now)],
            backlog=overview.backlog(connection, now),
            trouble=overview.trouble(connection),
            waiting=pulse.waiting,
            sending=pulse.sending,
        )

    def _span(self, connection: Connection, since: int, width: int, now: float) -> Span:
        known = self._spans.get((width, since))
        if known is None:
            known = overview.ended_between(connection, since, since + width)
            if since + width < now - _SETTLED:
                while len(self._spans) >= _KEPT:
                    del self._spans[next(iter(self._spans))]
                self._spans[width, since] = known
        return Span(since, width, known)


def quantile(values: Iterable[tuple[float, float]], q: float) -> float | None:
    """The q-quantile of values with their weights; None where there is none."""
    ordered = sorted(values)
    rest = q * sum(weight for _, weight in ordered)
    for value, weight in ordered:
        rest -= weight
        if rest <= 1e-9:
            return value
    return ordered[-1][0] if ordered else None


def _share(good: float, bad: float) -> float | None:
    return good / (good + bad) if good + bad else None


def _place(destination: str, found: Sequence[tuple[Sample, float]], queue: Backlog | None) -> Place:
    address, _, owner = destination.partition(" ")
    arrived = sum(weight for one, weight in found if one.state == State.DELIVERED)
    dead = sum(weight for one, weight in found if one.state == State.DEAD)
    durations = [(one.duration, weight) for one, weight in found if one.duration is not None]
    return Place(
        name=destination,
        address=_USUAL_PORT.sub(r"\1\2", address),
        owner=owner,
        ended=sum(weight for _, weight in found),
        success=_share(arrived, dead),
        p95=quantile(durations, 0.95),
        due=queue.due if queue else 0,
        later=queue.later if queue else 0,
        oldest_due_at=queue.oldest_due_at if queue else None,
    )
