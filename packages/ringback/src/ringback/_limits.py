"""How much a destination may be given now: its breaker, its rate, its share of the worker."""

import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Final, Generic, TypeVar

Job = TypeVar("Job")

# The delivery's id and the attempt's number: one whose lease is over can be attempted again beside it.
Attempt = tuple[int, int]

_OPENS_AFTER: Final = 5
_FIRST_REST: Final = 5.0
_LONGEST_REST: Final = 60.0
_SLOW_AFTER: Final = 1.0
_LOOK_AT: Final = 8
_REMEMBERED: Final = 10_000
_SHORTEST: Final = 1e-4


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


class Share:
    """Which attempts run, and for whom.

    `limit` is for quick ones; an attempt that has run for a second is slow and gives its place back, so
    that whoever hangs does not take the place of those who answer. All together may be eight times that.
    """

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self._clock = clock
        self._quick: dict[Attempt, float] = {}
        self._slow: dict[Attempt, float] = {}
        self._by_destination: Counter[str] = Counter()
        self._usual: dict[str, float] = {}

    def start(self, attempt: Attempt, destination: str) -> None:
        """An attempt begins."""
        self._quick[attempt] = self._clock()
        self._by_destination[destination] += 1

    def end(self, attempt: Attempt, destination: str) -> None:
        """It has ended."""
        started = self._quick.pop(attempt, None)
        self._by_destination[destination] -= 1
        if not self._by_destination[destination]:
            del self._by_destination[destination]
        if started is None:
            self._slow.pop(attempt)
            self._usual.pop(destination, None)
            return
        duration = max(self._clock() - started, _SHORTEST)
        if len(self._usual) >= _REMEMBERED:
            self._usual.clear()
        self._usual[destination] = 0.2 * duration + 0.8 * self._usual.get(destination, duration)

    @property
    def prompt_destinations(self) -> int:
        """How many destinations are prompt now."""
        return len(self._usual)

    def running_to(self, destination: str) -> int:
        """How many run to one destination."""
        return self._by_destination[destination]

    @property
    def prompt(self) -> int:
        """How many run to destinations that are prompt now, and so will end soon."""
        usual = self._usual
        return sum(count for name, count in self._by_destination.items() if name in usual)

    def usual_duration(self, destination: str) -> float | None:
        """Seconds that attempts there take now, or None where that is not known or the last one was slow."""
        return self._usual.get(destination)

    @property
    def running(self) -> int:
        """All of them."""
        return len(self._quick) + len(self._slow)

    def room(self) -> int:
        """How many more may begin."""
        quick, slow_since = self._quick, self._clock() - _SLOW_AFTER
        # In the order in which they began, so all before the first quick one are slow.
        slow = []
        for attempt, started in quick.items():
            if started >= slow_since:
                break
            slow.append(attempt)
        for attempt in slow:
            self._slow[attempt] = quick.pop(attempt)
        return min(self.limit - len(self._quick), 8 * self.limit - self.running)


class Ready(Generic[Job]):
    """Jobs that are claimed and wait, for a moment, for a place at their destination.

    Without them a worker would stand still during each of its own transactions.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._queues: dict[str, deque[tuple[float, Job]]] = {}
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def waiting_for(self, destination: str) -> int:
        """How many wait for one destination."""
        return len(self._queues.get(destination, ()))

    def add(self, destination: str, job: Job) -> None:
        """One more waits."""
        self._queues.setdefault(destination, deque()).append((self._clock(), job))
        self._size += 1

    def next(self, destination: str) -> Job | None:
        """The one that has waited longest for a destination."""
        queue = self._queues.get(destination)
        return None if queue is None else self._pop(destination, queue)

    def next_of_any(self, has_place: Callable[[str], bool]) -> Job | None:
        """The first one of any destination that has a place; looks at a few of them only."""
        for destination in list(islice(self._queues, _LOOK_AT)):
            if has_place(destination):
                # To the end of the line, so that destinations take turns.
                queue = self._queues[destination] = self._queues.pop(destination)
                return self._pop(destination, queue)
        return None

    def give_back(self, *, older_than: float, refused: Callable[[str], bool]) -> list[Job]:
        """Take out what has waited `older_than` seconds, and all for destinations that are refused."""
        since = self._clock() - older_than
        given: list[Job] = []
        for destination, queue in list(self._queues.items()):
            all_of_it = refused(destination)
            while queue and (all_of_it or queue[0][0] <= since):
                given.append(self._pop(destination, queue))
        return given

    def _pop(self, destination: str, queue: "deque[tuple[float, Job]]") -> Job:
        _, job = queue.popleft()
        self._size -= 1
        if not queue:
            del self._queues[destination]
        return job
