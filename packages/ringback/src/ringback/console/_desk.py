"""What the pages ask of the database, and what they change there, each in a transaction of its own."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import Connection

from ringback._channels import HTTP
from ringback._signing import V1, sign
from ringback._store import reports

if TYPE_CHECKING:
    from ringback._ringback import Ringback

__all__ = ["Desk"]

Value = TypeVar("Value")


class Desk:
    """Reads and steers. Every change answers whether it was still possible."""

    def __init__(self, ringback: "Ringback") -> None:
        self._ringback = ringback

    @property
    def channels(self) -> list[str]:
        """The names of the ways in which deliveries leave."""
        return [HTTP, *self._ringback.channels]

    def schedule_of(self, channel: str) -> str:
        """When attempts are made, in words."""
        own = self._ringback.channels.get(channel)
        schedule = self._ringback._schedule if own is None else own.schedule
        return schedule.in_words().replace("`", "")

    async def read(self, work: Callable[[Connection], Value]) -> tuple[Value, float]:
        """Do `work` in a transaction that only reads; also gives the time by the database's clock."""
        store = self._ringback._store
        async with self._ringback.engine.connect() as connection:
            # On SQLite it would otherwise wait for the worker, and the worker for it.
            await connection.execution_options(sqlite_read_only=True)

            def run(sync: Connection) -> tuple[Value, float]:
                store.settle(sync)
                return work(sync), store.now(sync)

            return await connection.run_sync(run)

    def now(self, connection: Connection) -> float:
        """Seconds since 1970 by the database's clock."""
        return self._ringback._store.now(connection)

    async def replay(self, id_: str) -> bool:
        """Send a finished delivery again."""
        async with self._ringback.transaction() as session:
            return await self._ringback.replay(session, id_)

    async def replay_all(self, rows: Sequence[tuple[int, float]]) -> int:
        """Send these again, given by row id and seconds from now; returns how many were still possible."""
        ringback = self._ringback
        operations = ringback._store.operations
        async with ringback.transaction() as session:
            return await ringback._callers.run_async(
                session, lambda connection: operations.replay_all(connection, rows)
            )

    async def cancel(self, id_: str) -> bool:
        """End a delivery before its next attempt."""
        async with self._ringback.transaction() as session:
            return await self._ringback.cancel(session, id_)

    async def enable(self, owner: str, url: str) -> bool:
        """Call an endpoint again."""
        async with self._ringback.transaction() as session:
            return await self._ringback.enable_endpoint(session, url, owner=owner)

    async def disable(self, owner: str, url: str, reason: str) -> None:
        """Call an endpoint no more."""
        async with self._ringback.transaction() as session:
            await self._ringback.disable_endpoint(session, url, owner=owner, reason=reason)

    async def rotate(self, owner: str) -> str:
        """The owner's new signing secret; the old one signs beside it for a day."""
        async with self._ringback.transaction() as session:
            return await self._ringback.rotate_secret(session, owner=owner)

    async def sign(self, owner: str, id_: str, body: bytes) -> tuple[int, str | None]:
        """The time and the signature of a request that leaves now; None while the owner has no secret."""
        store, timestamp = self._ringback._store, int(self._ringback._now())

        def work(connection: Connection) -> tuple[str, ...]:
            has_one = any(key.kind == V1 for key in reports.list_keys(connection, owner=owner))
            return store.keys.signing(connection, [owner])[owner] if has_one else ()

        secrets, _ = await self.read(work)
        return timestamp, sign(secrets, id_, timestamp, body) if secrets else None
