"""Writers of one process on SQLite take turns in the order in which they come."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from ringback import Ringback
from ringback._store import sqlite

INSERT = text("INSERT INTO visits (number) VALUES (:number)")

# About a second's work.
LONG = text(
    "INSERT INTO visits WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000000) "
    "SELECT max(i) FROM n"
)


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'turns.db'}", pool_size=40)
    Ringback.configure_sqlite(engine)
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE visits (number INTEGER)"))
    yield engine
    await engine.dispose()


async def visit(engine: AsyncEngine, number: int, *, staying: float = 0.0) -> None:
    async with engine.begin() as connection:
        await connection.execute(INSERT, {"number": number})
        await asyncio.sleep(staying)


async def visits(engine: AsyncEngine) -> list[int]:
    async with engine.connect() as connection:
        await connection.execution_options(sqlite_read_only=True)
        return list((await connection.execute(text("SELECT number FROM visits ORDER BY rowid"))).scalars())


async def test_writers_go_in_the_order_in_which_they_came(engine: AsyncEngine) -> None:
    # Connections first, so that it is the turn that they wait for.
    ready = [engine.connect() for _ in range(30)]
    connections = [await one.start() for one in ready]

    async def write(number: int) -> None:
        async with connections[number].begin():
            await connections[number].execute(INSERT, {"number": number})
            await asyncio.sleep(0.001)

    await asyncio.gather(*(write(number) for number in range(30)))
    for connection in connections:
        await connection.close()
    assert await visits(engine) == list(range(30))


async def test_a_reader_waits_for_no_writer(engine: AsyncEngine) -> None:
    writing = asyncio.ensure_future(visit(engine, 1, staying=0.3))
    await asyncio.sleep(0.05)
    async with asyncio.timeout(0.2):
        assert await visits(engine) == []
    await writing


@pytest.mark.parametrize("end", ["rollback", "cancelled", "abandoned"])
async def test_whatever_ends_a_turn_the_next_one_has_it(engine: AsyncEngine, end: str) -> None:
    async def write_in_vain() -> None:
        async with engine.connect() as connection:
            await connection.begin()
            await connection.execute(INSERT, {"number": 0})
            if end == "rollback":
                await connection.rollback()
            elif end == "cancelled":
                await asyncio.sleep(60)

    vain = asyncio.ensure_future(write_in_vain())
    await asyncio.sleep(0.05)
    waiting = asyncio.ensure_future(visit(engine, 1))
    await asyncio.sleep(0.05)
    vain.cancel()
    with suppress(asyncio.CancelledError):
        await vain
    async with asyncio.timeout(1):
        await waiting
    assert await visits(engine) == [1]


async def test_who_is_cancelled_in_the_middle_of_a_statement_gives_its_turn_back(engine: AsyncEngine) -> None:
    async def write_for_long() -> None:
        async with engine.begin() as connection:
            await connection.execute(INSERT, {"number": 0})
            await connection.execute(LONG)

    for _ in range(2):
        vain = asyncio.ensure_future(write_for_long())
        await asyncio.sleep(0.1)
        vain.cancel()
        with pytest.raises(asyncio.CancelledError):
            await vain
    async with asyncio.timeout(sqlite._LONGEST_WAIT - 1):
        await visit(engine, 1)
    assert await visits(engine) == [1]


async def test_who_is_cancelled_while_another_process_writes_gives_its_turn_back(engine: AsyncEngine) -> None:
    other = sqlite3.connect(str(engine.url.database), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    vain = asyncio.ensure_future(visit(engine, 0))
    await asyncio.sleep(0.1)
    vain.cancel()
    # Who is cancelled in its thread's call ends with that.
    asyncio.get_running_loop().call_later(0.2, other.close)
    with pytest.raises(asyncio.CancelledError):
        await vain
    async with asyncio.timeout(sqlite._LONGEST_WAIT - 1):
        await visit(engine, 1)
    assert await visits(engine) == [1]


async def test_who_stops_waiting_takes_nobodys_turn(engine: AsyncEngine) -> None:
    first = asyncio.ensure_future(visit(engine, 1, staying=0.2))
    await asyncio.sleep(0.05)
    second, third = (asyncio.ensure_future(visit(engine, number)) for number in (2, 3))
    await asyncio.sleep(0.05)
    second.cancel()
    await asyncio.wait([first, second, third], timeout=2)
    assert await visits(engine) == [1, 3]


async def test_who_would_wait_for_itself_is_told_that_the_database_is_locked(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_LONGEST_WAIT", 0.05)
    monkeypatch.setattr(sqlite, "_BUSY_TIMEOUT_MS", 50)
    async with engine.begin() as connection:
        await connection.execute(INSERT, {"number": 1})
        with pytest.raises(OperationalError, match="locked"):
            await visit(engine, 2)
    await visit(engine, 3)
    assert await visits(engine) == [1, 3]
