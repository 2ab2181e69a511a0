"""The attempts under way: started as places become free, ended as results."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, Protocol

from ringback._attempt import log_attempt
from ringback._limits import Breaker, Ready, Share
from ringback._schedule import RetrySchedule
from ringback._store.claims import Claimed
from ringback._store.results import Result
from ringback._types import State
from ringback._verdict import Verdict

logger = logging.getLogger("ringback.worker")


# What may be claimed and ready, so that no place stands empty during a transaction: what a destination can
# take in so many seconds, so many times its places at most, and so many deliveries in all.
_READY_SECONDS: Final = 0.25
_READY_TIMES: Final = 16
_READY_AT_MOST: Final = 1024

# Seconds that the first attempt to a destination has it for itself: what it opens, the next ones can use.
_ALONE: Final = 0.05
# While more than these wait for it, two begin where one has ended, up to its cap; these few use what is open.
_FEW: Final = 3


class Courier(Protocol):
    """Makes one attempt, and knows each channel's own figures."""

    def attempt(self, claimed: Claimed, secrets: Sequence[str]) -> Awaitable[Verdict]:
        """Make the attempt and judge it, well within the lease."""

    def schedule_of(self, channel: str) -> RetrySchedule:
        """When its attempts are due."""

    def timeout_of(self, channel: str) -> float:
        """Seconds that one attempt may take in all."""

    def in_flight_of(self, destination: str) -> int:
        """How many attempts to this destination may run at once."""


class Running:
    """Starts what was claimed, at most so many at once for each destination and in all."""

    def __init__(
        self,
        courier: Courier,
        *,
        concurrency: int,
        on_end: Callable[[], None],
        chance: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._courier = courier
        self._on_end = on_end
        self._chance = chance
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()
        self._ending = False
        self._secrets: dict[str, tuple[str, ...]] = {}
        self._ready: Ready[Claimed] = Ready(clock)
        self._alone: dict[str, asyncio.TimerHandle] = {}
        self.share = Share(concurrency, clock)
        self.breaker = Breaker(clock)
        self.results: list[Result] = []

    @property
    def idle(self) -> bool:
        """Whether nothing runs, nothing is ready to, and nothing is left to record."""
        return not self._tasks and not self._ready and not self.results

    @property
    def many(self) -> bool:
        """Whether more will end soon; who waits for a receiver that hangs does not count."""
        return self.share.prompt > 1

    @property
    def busy_for_now(self) -> bool:
        """Whether enough is ready for the time of another transaction, and few results wait."""
        return 2 * len(self._ready) > self._ready_at_most() and 2 * len(self.results) < _READY_AT_MOST

    def room(self) -> int:
        """How many deliveries can be taken on in all: free places, and where it goes quickly some more."""
        return self.share.room() + self._ready_at_most() - len(self._ready)

    def room_for(self, destination: str) -> int:
        """How many can be taken on for one destination; some to have ready where answers come promptly."""
        cap, usual = self.cap(destination), self.share.usual_duration(destination)
        ahead = 0 if cap < 2 or usual is None else int(cap * min(_READY_TIMES, _READY_SECONDS / usual))
        return cap + ahead - self.share.running_to(destination) - self._ready.waiting_for(destination)

    def _ready_at_most(self) -> int:
        return min(_READY_TIMES * self.share.limit, _READY_AT_MOST) if self.share.prompt_destinations else 0

    def cap(self, destination: str) -> int:
        """How many attempts to one destination may run now."""
        return self.breaker.cap(destination, self._courier.in_flight_of(destination))

    def longest(self, channel: str) -> float:
        """Seconds that an attempt of this channel can take."""
        return self._courier.timeout_of(channel)

    def admit(self, claimed: Iterable[Claimed], secrets: dict[str, tuple[str, ...]]) -> None:
        """Start these, or have them ready."""
        self._secrets |= secrets
        for one in claimed:
            if self.share.room() > 0 and self._has_place(one.destination):
                self._start(one)
            else:
                self._ready.add(one.destination, one)

    def give_back(self, *, older_than: float) -> list[Claimed]:
        """What was claimed and cannot start in time."""
        return self._ready.give_back(older_than=older_than, refused=lambda name: self.cap(name) == 0)

    async def end(self, grace: float) -> None:
        """Let attempts end within the grace time, then cut them off."""
        running = list(self._tasks)
        if running:
            _, late = await asyncio.wait(running, timeout=grace)
            self._ending = True
            for task in late:
                task.cancel()

    def _has_place(self, destination: str) -> bool:
        alone = destination in self._alone
        return not alone and self.share.running_to(destination) < self.cap(destination)

    def _begin(self, claimed: Claimed) -> None:
        """Count an attempt that starts now; where nothing is known to be prompt, it begins alone."""
        destination = claimed.destination
        if not self.share.running_to(destination) and self.share.usual_duration(destination) is None:
            loop = asyncio.get_running_loop()
            self._alone[destination] = loop.call_later(_ALONE, self._let_others, destination)
        self.share.start((claimed.id, claimed.number), destination)

    def _let_others(self, destination: str) -> None:
        """The first attempt to a destination takes its time: the others wait for it no longer."""
        del self._alone[destination]
        while self._start_next(destination):
            pass

    def _start_next(self, destination: str) -> bool:
        """Start the next one that is ready for a destination, if there is a place for it."""
        if self._ending or self.share.room() <= 0 or not self._has_place(destination):
            return False
        following = self._ready.next(destination)
        if following is None:
            return False
        self._start(following)
        return True

    def _start(self, claimed: Claimed) -> None:
        self._begin(claimed)
        task = asyncio.create_task(self._work(claimed))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self, claimed: Claimed) -> None:
        """One attempt, and then the next that is ready: a task for each would cost a tenth of an attempt."""
        following: Claimed | None = claimed
        while following is not None:
            one, following = following, None
            started = self._clock()
            verdict = await self._attempt(one)
            self.results.append(self._result(one, verdict, self._clock() - started))
            self.share.end((one.id, one.number), one.destination)
            self._let_in(one.destination)
            if self._ready and not self._ending and self.share.room() > 0:
                following = self._next_after(one.destination)
                if following is not None:
                    self._begin(following)
                    if self._ready.waiting_for(one.destination) > _FEW:
                        self._start_next(one.destination)
            self._on_end()

    def _let_in(self, destination: str) -> None:
        alone = self._alone.pop(destination, None)
        if alone is not None:
            alone.cancel()

    def _next_after(self, destination: str) -> Claimed | None:
        following = self._ready.next(destination) if self._has_place(destination) else None
        return following or self._ready.next_of_any(self._has_place)

    async def _attempt(self, claimed: Claimed) -> Verdict:
        try:
            verdict = await self._courier.attempt(claimed, self._secrets[claimed.owner])
        except asyncio.CancelledError:
            return Verdict(State.PENDING, "cut off: the worker stopped; whether it arrived is unknown")
        except Exception as error:
            logger.exception("attempt %s of %s failed in our own code", claimed.number, claimed.message_id)
            return Verdict(State.PENDING, f"the attempt raised {type(error).__name__}: {error}")
        if verdict.reached is not None:
            heard = self.breaker.answered if verdict.reached else self.breaker.failed
            heard(claimed.destination)
        return verdict

    def _result(self, claimed: Claimed, verdict: Verdict, duration: float) -> Result:
        state, delay, text = verdict.state, 0.0, verdict.text
        if state is State.PENDING:
            planned = self._courier.schedule_of(claimed.channel).next_delay(
                claimed.step + 1, chance=self._chance, retry_after=verdict.retry_after
            )
            if planned is None:
                state, text = State.DEAD, f"given up after {claimed.step + 1} attempts: {text}"
            else:
                delay = planned
        result = Result(
            id=claimed.id,
            number=claimed.number,
            owner=claimed.owner,
            endpoint=claimed.endpoint,
            state=state,
            delay=delay,
            duration=duration,
            verdict=text,
            status_code=verdict.status_code,
            breach=verdict.breach,
            response=verdict.response,
            counts=-1 if verdict.healthy is False else int(claimed.failing and verdict.healthy is True),
            disable=verdict.disable,
        )
        log_attempt(claimed, result)
        return result
