"""One conformance suite: every test here runs on SQLite and on PostgreSQL."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from ringback import _migrations
from ringback._sealing import MasterKeys, new_master_key
from ringback._store import reports, sqlite
from ringback._store.claims import Claimed
from ringback._store.results import Result
from ringback._store.store import Store
from ringback._types import State

Value = TypeVar("Value")


@dataclass
class Clock:
    """A clock that only moves when told."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Bench:
    """A store on a real database, with shorthands that say what a test is about."""

    engine: AsyncEngine
    clock: Clock
    store: Store = field(init=False)
    count: int = 0

    def __post_init__(self) -> None:
        master_keys = MasterKeys([new_master_key()])
        self.store = Store(self.engine.dialect.name, master_keys=lambda: master_keys, clock=self.clock)

    async def run(self, work: Callable[[Connection], Value]) -> Value:
        async with self.engine.begin() as connection:
            return await connection.run_sync(work)

    async def target(self, key: str = "k") -> int:
        id_ = await self.run(lambda c: self.store.targets.add(c, "", "op", key, {"cb": {"url": "u"}}))
        assert id_ is not None
        return id_

    def values(self, **changes: Any) -> dict[str, Any]:
        self.count += 1
        values: dict[str, Any] = {
            "message_id": f"msg_{self.count}",
            "channel": "http",
            "owner": "",
            "destination": "https://a.example:443 ",
            "endpoint": "https://a.example/events",
            "target_id": None,
            "sequence": None,
            "operation": "op",
            "callback": "cb",
            "contract": "f",
            "method": "POST",
            "url": "https://a.example/events/invoices/1",
            "headers": [["content-type", "application/json"]],
            "body": b'{"paid":true}',
            "idempotency_key": None,
            "delay": 0.0,
        }
        return values | changes

    async def add(self, **changes: Any) -> int:
        values = self.values(**changes)
        id_ = await self.run(lambda c: self.store.targets.add_delivery(c, values))
        assert id_ is not None
        return id_

    async def add_ordered(self, target_id: int, key: str = "k", **changes: Any) -> int:
        def work(connection: Connection) -> int | None:
            stored = self.store.targets.take_sequence(connection, "", "op", key)
            assert stored is not None
            values = self.values(target_id=target_id, sequence=stored.sequence, **changes)
            return self.store.targets.add_delivery(connection, values)

        id_ = await self.run(work)
        assert id_ is not None
        return id_

    def take(
        self, connection: Connection, *, room: int = 100, worker: str = "w", lease: float = 60
    ) -> list[Claimed]:
        """What a worker's claim does, without its limits."""
        names = self.store.claims.destinations(connection, after="", limit=1000)
        found = self.store.claims.candidates(connection, names, room) if names else []
        blocked = {c.id: c.predecessor for c in found if c.predecessor is not None}
        if blocked:
            self.store.claims.put_behind(connection, blocked)
        free = [c.id for c in found if c.predecessor is None and not c.disabled]
        return self.store.claims.claim(connection, free, worker=worker, lease=lease) if free else []

    async def claim(self, **how: Any) -> list[Claimed]:
        return await self.run(lambda c: self.take(c, **how))

    async def record(self, claimed: Claimed, state: State = State.DELIVERED, **changes: Any) -> set[int]:
        values: dict[str, Any] = {
            "id": claimed.id,
            "number": claimed.number,
            "owner": claimed.owner,
            "endpoint": claimed.endpoint,
            "state": state,
            "delay": 0.0,
            "duration": 0.1,
            "verdict": "as told",
        }
        result = Result(**(values | changes))
        return await self.run(lambda c: self.store.results.record(c, [result]))

    async def states(self) -> dict[str, str]:
        rows = await self.run(lambda c: reports.list_deliveries(c, limit=10_000))
        return {row.id: row.state for row in reversed(rows)}

    async def state(self, number: int = 1) -> str:
        return (await self.states())[f"msg_{number}"]


@pytest.fixture
async def bench(database_url: str) -> AsyncIterator[Bench]:
    engine = create_async_engine(database_url)
    if engine.dialect.name == "sqlite":
        sqlite.configure(engine.sync_engine)
    async with engine.begin() as connection:
        await connection.run_sync(_migrations.upgrade)
    yield Bench(engine, Clock())
    await engine.dispose()
