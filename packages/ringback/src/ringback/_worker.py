"""The worker: one turn after another, it records what ended, claims what is due and starts it."""

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from ringback._attempt import log_attempt
from ringback._schedule import RetrySchedule
from ringback._store.claims import Claimed
from ringback._store.results import Result
from ringback._store.store import Store
from ringback._types import State
from ringback._verdict import Verdict

logger = logging.getLogger("ringback.worker")


class Courier(Protocol):
    """Makes one attempt, and knows each channel's own figures."""

    def attempt(self, claimed: Claimed, secrets: Sequence[str]) -> Awaitable[Verdict]:
        """Make the attempt and judge it, well within the lease."""

    def schedule_of(self, channel: str) -> RetrySchedule:
        """When its attempts are due."""

    def in_flight_of(self, destination: str) -> int:
        """How many attempts to this destination may run at once."""


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """A worker's figures; seconds where they are times.

    A lease outlives the longest attempt by far, so no attempt ever needs to renew it.
    """

    name: str
    concurrency: int = 256
    lease: float = 60.0
    poll: float = 1.0
    upkeep: float = 5.0
    gather: float = 0.005
    destinations: int = 256
    quarantine_after: int = 5
    secrets_for: float = 10.0
    grace: float = 25.0


@dataclass(slots=True)
class _Turn:
    """What one transaction did."""

    claimed: list[Claimed] = field(default_factory=list)
    secrets: dict[str, tuple[str, ...]] = field(default_factory=dict)
    more: bool = False


class Worker:
    """Delivers what is due, in one task, with as many attempts side by side as its settings allow."""

    def __init__(
        self,
        engine: AsyncEngine,
        store: Store,
        courier: Courier,
        settings: WorkerSettings,
        *,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._engine = engine
        self._store = store
        self._courier = courier
        self._settings = settings
        self._chance = chance
        self._running: dict[asyncio.Task[None], Claimed] = {}
        self._in_flight: Counter[str] = Counter()
        self._results: list[Result] = []
        self._secrets: dict[str, tuple[float, tuple[str, ...]]] = {}
        self._cursor = ""
        self._upkeep_at = 0.0
        self._stopping = False
        self._event = asyncio.Event()

    def wake(self) -> None:
        """Look for work now; to be called on the worker's own loop."""
        self._event.set()

    @property
    def idle(self) -> bool:
        """Whether nothing runs and nothing is left to record."""
        return not self._running and not self._results

    async def run(self) -> None:
        """Work until `stop`, whatever the database does in between."""
        trouble = 0
        while not (self._stopping and self.idle):
            self._event.clear()
            try:
                more = await self._turn()
                trouble = 0
            except (SQLAlchemyError, OSError) as error:
                trouble += 1
                logger.warning("the database did not answer, trying again: %s", error)
                await asyncio.sleep(min(0.1 * 2**trouble, 5.0))
                continue
            if not more:
                await self._rest()

    async def stop(self) -> None:
        """Claim nothing more; let attempts end within the grace time, then cut them off and give up."""
        self._stopping = True
        self.wake()
        running = list(self._running)
        if running:
            _, late = await asyncio.wait(running, timeout=self._settings.grace)
            for task in late:
                task.cancel()
        self.wake()

    async def _rest(self) -> None:
        """Wait for work, an ended attempt or the next poll; let a crowd of ended attempts gather first."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.poll):
                await self._event.wait()
        if len(self._running) > 1 and self._settings.gather:
            await asyncio.sleep(self._settings.gather)

    async def _turn(self) -> bool:
        """One transaction: record, claim. True when there is surely more to do at once."""
        results, self._results = self._results, []
        try:
            async with self._engine.begin() as connection:
                turn = await connection.run_sync(self._in_transaction, results)
        except BaseException:
            # Recording is fenced, so writing a batch down a second time cannot do harm.
            self._results = results + self._results
            raise
        now = time.monotonic()
        self._secrets.update((owner, (now, secrets)) for owner, secrets in turn.secrets.items())
        for claimed in turn.claimed:
            self._start(claimed)
        return turn.more and len(self._running) < self._settings.concurrency

    def _in_transaction(self, connection: Connection, results: list[Result]) -> _Turn:
        self._store.settle(connection)
        if results:
            accepted = self._store.results.record(connection, results)
            self._report_late(results, accepted)
        if self._stopping:
            return _Turn()
        self._keep_up(connection)
        return self._claim(connection)

    def _keep_up(self, connection: Connection) -> None:
        """Every few seconds: what lost workers held, and what waits behind nothing."""
        if time.monotonic() < self._upkeep_at:
            return
        self._upkeep_at = time.monotonic() + self._settings.upkeep * (0.5 + self._chance())
        ended = self._store.claims.lapse(connection, quarantine_after=self._settings.quarantine_after)
        if ended:
            self._store.results.promote(connection, ended)
        self._store.results.promote_strays(connection)

    def _claim(self, connection: Connection) -> _Turn:
        room = self._settings.concurrency - len(self._running)
        if room <= 0:
            return _Turn()
        rooms = self._rooms(connection)
        # Destinations that the walk has not come to yet must not wait for the next poll.
        unseen = bool(self._cursor)
        if not rooms:
            return _Turn(more=unseen)
        found = self._store.claims.candidates(connection, list(rooms), max(rooms.values()))
        refused = [candidate.id for candidate in found if candidate.disabled]
        if refused:
            self._store.results.refuse(connection, refused)
        blocked = {c.id: c.predecessor for c in found if c.predecessor is not None and not c.disabled}
        if blocked:
            self._store.claims.put_behind(connection, blocked)
        chosen: list[int] = []
        for candidate in found:
            free = candidate.predecessor is None and not candidate.disabled
            if free and rooms[candidate.destination] > 0 and len(chosen) < room:
                rooms[candidate.destination] -= 1
                chosen.append(candidate.id)
        if not chosen:
            return _Turn(more=unseen or bool(found))
        settings = self._settings
        claimed = self._store.claims.claim(connection, chosen, worker=settings.name, lease=settings.lease)
        return _Turn(claimed, self._fresh_secrets(connection, claimed), more=True)

    def _rooms(self, connection: Connection) -> dict[str, int]:
        """Destinations with pending deliveries, in rotation, and how many more each can take."""
        limit = self._settings.destinations
        names = self._store.claims.destinations(connection, after=self._cursor, limit=limit)
        if len(names) < limit:
            if self._cursor:
                wrapped = self._store.claims.destinations(connection, after="", limit=limit - len(names))
                names += [name for name in wrapped if name <= self._cursor]
            self._cursor = ""
        else:
            self._cursor = names[-1]
        rooms = {name: self._courier.in_flight_of(name) - self._in_flight[name] for name in names}
        return {name: room for name, room in rooms.items() if room > 0}

    def _fresh_secrets(
        self, connection: Connection, claimed: Iterable[Claimed]
    ) -> dict[str, tuple[str, ...]]:
        oldest = time.monotonic() - self._settings.secrets_for
        known: Mapping[str, tuple[float, tuple[str, ...]]] = self._secrets
        stale = {c.owner for c in claimed if known.get(c.owner, (oldest, ()))[0] <= oldest}
        return self._store.keys.signing(connection, sorted(stale)) if stale else {}

    def _start(self, claimed: Claimed) -> None:
        self._in_flight[claimed.destination] += 1
        task = asyncio.create_task(self._attempt(claimed))
        self._running[task] = claimed
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        claimed = self._running.pop(task)
        self._in_flight[claimed.destination] -= 1
        if not self._in_flight[claimed.destination]:
            del self._in_flight[claimed.destination]
        self._event.set()

    async def _attempt(self, claimed: Claimed) -> None:
        started = time.monotonic()
        try:
            verdict = await self._courier.attempt(claimed, self._secrets[claimed.owner][1])
        except asyncio.CancelledError:
            verdict = Verdict(State.PENDING, "cut off: the worker stopped; whether it arrived is unknown")
        except Exception as error:
            logger.exception("attempt %s of %s failed in our own code", claimed.number, claimed.message_id)
            verdict = Verdict(State.PENDING, f"the attempt raised {type(error).__name__}: {error}")
        self._results.append(self._result(claimed, verdict, time.monotonic() - started))

    def _result(self, claimed: Claimed, verdict: Verdict, duration: float) -> Result:
        state, delay, text = verdict.state, 0.0, verdict.text
        if state is State.PENDING:
            schedule = self._courier.schedule_of(claimed.channel)
            planned = schedule.next_delay(
                claimed.step + 1, chance=self._chance, retry_after=verdict.retry_after
            )
            if planned is None:
                state, text = State.DEAD, f"given up after {claimed.step + 1} attempts: {text}"
            else:
                delay = planned
        log_attempt(
            {
                "id": claimed.message_id,
                "attempt": claimed.number,
                "owner": claimed.owner,
                "destination": claimed.destination,
                "state": state.value,
                "status": verdict.status_code,
                "ms": round(duration * 1000),
                "verdict": repr(text),
            }
        )
        return Result(
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
            counts={None: 0, True: 1, False: -1}[verdict.healthy],
            disable=verdict.disable,
        )

    @staticmethod
    def _report_late(results: Sequence[Result], accepted: set[int]) -> None:
        for result in results:
            if result.id not in accepted:
                logger.warning(
                    "the result of attempt %s of delivery %s came after its lease and was not recorded",
                    result.number,
                    result.id,
                )
