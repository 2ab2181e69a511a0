"""The worker: one turn after another, it records what ended, claims what is due and starts it."""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from ringback._intake import Intake, Taken
from ringback._running import Courier, Running
from ringback._schedule import DAY
from ringback._store.claims import Claimed
from ringback._store.results import Result
from ringback._store.store import Store
from ringback._upkeep import Upkeep

_MOST_GATHERINGS: Final = 6

logger = logging.getLogger("ringback.worker")


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """A worker's figures; seconds where they are times.

    A lease outlives the channel's longest attempt and `patience`, so no attempt ever needs to renew it: what
    was claimed and could not begin within `patience` is given back. A transaction that takes longer than
    `turn` is given up: its connection has gone silent. PostgreSQL gives up one in which it has heard nothing
    for `silence`: the worker was paused. `retention` None keeps what has ended for ever.
    """

    name: str
    concurrency: int = 256
    poll: float = 1.0
    upkeep: float = 5.0
    gather: float = 0.005
    destinations: int = 1024
    quarantine_after: int = 5
    disable_after: float = 5 * DAY
    retention: float | None = 30 * DAY
    secrets_for: float = 10.0
    grace: float = 25.0
    patience: float = 5.0
    turn: float = 30.0
    silence: float = 10.0
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
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._store = store
        self._settings = settings
        self._running = Running(
            courier, concurrency=settings.concurrency, on_end=self.wake, chance=chance, clock=clock
        )
        self._intake = Intake(
            store,
            self._running,
            worker=settings.name,
            patience=settings.patience,
            destinations=settings.destinations,
            secrets_for=settings.secrets_for,
            rate_per_host=settings.rate_per_host,
            rate_per_owner=settings.rate_per_owner,
            clock=clock,
        )
        self._upkeep = Upkeep(
            store,
            every=settings.upkeep,
            quarantine_after=settings.quarantine_after,
            disable_after=settings.disable_after,
            retention=settings.retention,
            chance=chance,
            clock=clock,
        )
        self._stopping = False
        self._event = asyncio.Event()

    def wake(self) -> None:
        """Look for work now; to be called on the worker's own loop."""
        self._event.set()

    @property
    def idle(self) -> bool:
        """Whether nothing runs and nothing is left to record."""
        return self._running.idle

    async def run(self) -> None:
        """Work until `stop`, whatever the database does in between."""
        trouble = 0
        while not (self._stopping and self.idle):
            self._event.clear()
            try:
                more = await self._turn()
            except Exception as error:
                trouble += 1
                self._report_trouble(error)
                await asyncio.sleep(min(0.1 * 2**trouble, 5.0))
                continue
            trouble = 0
            if not more:
                await self._rest()

    async def stop(self) -> None:
        """Claim nothing more; let attempts end within the grace time, then cut them off and give up."""
        self._stopping = True
        self.wake()
        await self._running.end(self._settings.grace)
        self.wake()

    async def _rest(self) -> None:
        """Wait for work, an ended attempt or the next poll; let a crowd of ended attempts gather first."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.poll):
                await self._event.wait()
        if self._running.many and self._settings.gather:
            for _ in range(_MOST_GATHERINGS):
                await asyncio.sleep(self._settings.gather)
                if not self._running.busy_for_now:
                    break

    async def _turn(self) -> bool:
        """One transaction: record, give back, claim. True when there is surely more to do at once."""
        results, self._running.results = self._running.results, []
        back = self._running.give_back(older_than=0.0 if self._stopping else self._settings.patience)
        try:
            async with asyncio.timeout(self._settings.turn), self._engine.begin() as connection:
                taken = await connection.run_sync(self._in_transaction, results, back)
        except Exception as error:
            # Recording is fenced, so writing a batch down a second time cannot do harm; what was to be given
            # back comes back by itself when its lease is over.
            self._running.results = results + self._running.results
            if results and isinstance(error, DataError | IntegrityError):
                await self._record_apart()
            raise
        self._intake.have_read(taken.secrets)
        self._running.admit(taken.claimed, taken.secrets)
        return taken.more and self._running.room() > 0

    def _in_transaction(self, connection: Connection, results: list[Result], back: list[Claimed]) -> Taken:
        self._store.settle(connection, self._settings.silence)
        if results:
            accepted = self._store.results.record(connection, results)
            self._report_late(results, accepted)
        if back:
            self._store.claims.release(connection, back)
        if self._stopping:
            return Taken()
        self._upkeep.run_if_due(connection)
        return self._intake.take(connection)

    async def _record_apart(self) -> None:
        """Record one by one, without the texts of those that the database refuses: they hold up the rest."""
        results, self._running.results = self._running.results, []
        for result in results:
            bare = result._replace(
                response=None, breach=None, verdict="its end could not be stored as it was"
            )
            for version in (result, bare):
                with suppress(DataError, IntegrityError):
                    async with self._engine.begin() as connection:
                        await connection.run_sync(self._store.settle, self._settings.silence)
                        await connection.run_sync(self._store.results.record, [version])
                    break

    @staticmethod
    def _report_trouble(error: Exception) -> None:
        # Not the whole error: it holds the statement's values, where an app's engine shows them.
        reason = getattr(error, "orig", None) or error
        expected = isinstance(error, SQLAlchemyError | OSError)
        words = "the database did not answer, trying again" if expected else "a turn failed, trying again"
        # Whatever it is, the worker goes on: nobody would notice that nothing is delivered any more.
        logger.warning("%s: %s: %s", words, type(reason).__name__, reason, exc_info=not expected)

    @staticmethod
    def _report_late(results: Sequence[Result], accepted: set[int]) -> None:
        for result in results:
            if result.id not in accepted:
                logger.warning(
                    "the result of attempt %s of delivery %s came after its lease and was not recorded",
                    result.number,
                    result.id,
                )
