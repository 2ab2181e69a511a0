"""What a worker does every few seconds beside delivering: find what was lost, prune what is old."""

import random
import time
from collections.abc import Callable

from sqlalchemy import Connection

from ringback._store.store import Store


class Upkeep:
    """Runs inside the worker's own transaction, a bounded piece at a time; every worker may do it."""

    def __init__(
        self,
        store: Store,
        *,
        every: float,
        quarantine_after: int,
        disable_after: float,
        retention: float | None,
        chance: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._every = every
        self._quarantine_after = quarantine_after
        self._disable_after = disable_after
        self._retention = retention
        self._chance = chance
        self._clock = clock
        self._due_at = 0.0

    def run_if_due(self, connection: Connection) -> None:
        """Do a round when it is time; rounds of several workers drift apart by chance."""
        now = self._clock()
        if now < self._due_at:
            return
        self._due_at = now + self._every * (0.5 + self._chance())
        lost = self._store.claims.lapse(connection, quarantine_after=self._quarantine_after)
        if lost:
            self._store.results.promote(connection, lost)
        self._store.results.promote_strays(connection)
        self._store.operations.disable_failing(connection, after=self._disable_after)
        if self._retention is not None and self._prune(connection, self._retention):
            self._due_at = now

    def _prune(self, connection: Connection, retention: float) -> bool:
        """Delete a bounded batch of old finished rows; True when there is more."""
        limit = 1000
        return self._store.operations.prune(connection, age=retention, limit=limit) == limit
