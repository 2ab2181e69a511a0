"""The worker: one turn after another, it records what ended, claims what is due and starts it."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Protocol

from sqlalchemy import Connection
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from ringback._attempt import log_attempt
from ringback._intake import Intake, Taken
from ringback._schedule import DAY, RetrySchedule
from ringback._store.claims import Claimed
from ringback._store.results import Result
from ringback._store.store import Store
from ringback._types import State
from ringback._upkeep import Upkeep
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

    A lease outlives the longest attempt by far, so no attempt ever needs to renew it. `retention` None
    keeps what has ended for ever.
    """

    name: str
    concurrency: int = 256
    lease: float = 60.0
    poll: float = 1.0
    upkeep: float = 5.0
    gather: float = 0.005
    destinations: int = 256
    quarantine_after: int = 5
    disable_after: float = 5 * DAY
    retention: float | None = 30 * DAY
    secrets_for: float = 10.0
    grace: float = 25.0
    rate_per_host: float | None = None
    rate_per_owner: float | None = None


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
        self._intake = Intake(
            store,
            courier.in_flight_of,
            worker=settings.name,
            concurrency=settings.concurrency,
            lease=settings.lease,
            destinations=settings.destinations,
            secrets_for=settings.secrets_for,
            rate_per_host=settings.rate_per_host,
            rate_per_owner=settings.rate_per_owner,
        )
        self._upkeep = Upkeep(
            store,
            every=settings.upkeep,
            quarantine_after=settings.quarantine_after,
            disable_after=settings.disable_after,
            retention=settings.retention,
            chance=chance,
        )
        self._running: dict[asyncio.Task[None], Claimed] = {}
        self._results: list[Result] = []
        self._secrets: dict[str, tuple[str, ...]] = {}
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
                taken = await connection.run_sync(self._in_transaction, results)
        except DBAPIError as error:
            # Recording is fenced, so writing a batch down a second time cannot do harm.
            self._results = results + self._results
            if results and not error.connection_invalidated and isinstance(error, DataError | IntegrityError):
                await self._record_apart()
            raise
        except BaseException:
            self._results = results + self._results
            raise
        self._secrets |= taken.secrets
        for claimed in taken.claimed:
            self._start(claimed)
        return taken.more and self._intake.share.room() > 0

    def _in_transaction(self, connection: Connection, results: list[Result]) -> Taken:
        self._store.settle(connection)
        if results:
            accepted = self._store.results.record(connection, results)
            self._report_late(results, accepted)
        if self._stopping:
            return Taken()
        self._upkeep.run_if_due(connection)
        return self._intake.take(connection)

    async def _record_apart(self) -> None:
        """Record one by one, without the texts of those that the database refuses: they hold up the rest."""
        results, self._results = self._results, []
        for result in results:
            bare = replace(
                result, response=None, breach=None, verdict="its end could not be stored as it was"
            )
            for version in (result, bare):
                with suppress(DataError, IntegrityError):
                    async with self._engine.begin() as connection:
                        await connection.run_sync(self._store.results.record, [version])
                    break

    def _start(self, claimed: Claimed) -> None:
        self._intake.share.start(claimed.id, claimed.destination)
        task = asyncio.create_task(self._attempt(claimed))
        self._running[task] = claimed
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        claimed = self._running.pop(task)
        self._intake.share.end(claimed.id, claimed.destination)
        self._event.set()

    async def _attempt(self, claimed: Claimed) -> None:
        started = time.monotonic()
        try:
            verdict = await self._courier.attempt(claimed, self._secrets[claimed.owner])
        except asyncio.CancelledError:
            verdict = Verdict(State.PENDING, "cut off: the worker stopped; whether it arrived is unknown")
        except Exception as error:
            logger.exception("attempt %s of %s failed in our own code", claimed.number, claimed.message_id)
            verdict = Verdict(State.PENDING, f"the attempt raised {type(error).__name__}: {error}")
        if verdict.reached is not None:
            heard = self._intake.breaker.answered if verdict.reached else self._intake.breaker.failed
            heard(claimed.destination)
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
