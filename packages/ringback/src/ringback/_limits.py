"""How much a destination may be given now: its breaker, its share of the worker, its rate."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

_OPENS_AFTER: Final = 5
_FIRST_REST: Final = 5.0
_LONGEST_REST: Final = 60.0
# An attempt that has run this long no longer counts against the worker's concurrency: whoever hangs must
# not take the place of those who answer.
_SLOW_AFTER: Final = 1.0


@dataclass(slots=True)
class _Health:
    """The transport failures of a destination, one after the other."""

    failures: int = 0
    rest: float = _FIRST_REST
    rests_until: float = 0.0


class Breaker:
    """Gives a destination that cannot be reached less and less, then one probe after each rest.

    It counts failures of the transport only: an answer, whatever its status, is a sign of life. Rests
    double from 5 to 60 seconds. Each worker keeps its own.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._health: dict[str, _Health] = {}

    def cap(self, destination: str, usual: int) -> int:
        """How many attempts may be under way: `usual` while all is well, 0 while it rests."""
        health = self._health.get(destination)
        if health is None:
            return usual
        if health.failures < _OPENS_AFTER:
            return max(1, usual >> health.failures)
        return 1 if self._clock() >= health.rests_until else 0

    def answered(self, destination: str) -> None:
        """There was an answer."""
        self._health.pop(destination, None)

    def failed(self, destination: str) -> None:
        """There was none."""
        health = self._health.setdefault(destination, _Health())
        health.failures += 1
        if health.failures >= _OPENS_AFTER:
            health.rests_until = self._clock() + health.rest
            health.rest = min(health.rest * 2, _LONGEST_REST)

    @property
    def resting(self) -> int:
        """How many destinations get probes only."""
        return sum(health.failures >= _OPENS_AFTER for health in self._health.values())


class Rates:
    """At most so many attempts a second for each name, with one second's worth saved up at most."""

    def __init__(self, per_second: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._clock = clock
        self._saved: dict[str, tuple[float, float]] = {}

    def allowed(self, name: str) -> int:
        """How many more may start now."""
        if self._per_second is None:
            return 1_000_000
        # Thirds of a second do not add up to exactly one.
        return int(self._now(name) + 1e-6)

    def spend(self, name: str) -> None:
        """One has started."""
        if self._per_second is not None:
            self._saved[name] = (self._now(name) - 1.0, self._clock())

    def _now(self, name: str) -> float:
        assert self._per_second is not None
        burst = max(1.0, self._per_second)
        saved, then = self._saved.get(name, (burst, 0.0))
        return min(burst, saved + (self._clock() - then) * self._per_second)


@dataclass(slots=True)
class Share:
    """Which attempts run, and for whom. `limit` is for the quick ones; all may be eight times that."""

    limit: int
    clock: Callable[[], float] = time.monotonic
    by_destination: Counter[str] = field(default_factory=Counter)
    _started: dict[int, float] = field(default_factory=dict)

    def start(self, id_: int, destination: str) -> None:
        """An attempt begins."""
        self._started[id_] = self.clock()
        self.by_destination[destination] += 1

    def end(self, id_: int, destination: str) -> None:
        """It has ended."""
        del self._started[id_]
        self.by_destination[destination] -= 1
        if not self.by_destination[destination]:
            del self.by_destination[destination]

    @property
    def running(self) -> int:
        """All of them."""
        return len(self._started)

    def room(self) -> int:
        """How many more may begin."""
        slow_since = self.clock() - _SLOW_AFTER
        quick = 0
        # In order of their start, so the walk from the end stops at the first slow one.
        for started in reversed(self._started.values()):
            if started < slow_since:
                break
            quick += 1
        return min(self.limit - quick, 8 * self.limit - len(self._started))
