import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import MetaData, create_engine, func, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from ringback._errors import RingbackError
from ringback.receiver import Inbox, MemoryInbox, SqlInbox


class Effect:
    """Something that must happen once: counts, and can be told to fail."""

    def __init__(self) -> None:
        self.count = 0

    async def happen(self, inbox: Inbox, message_id: str, *, failing: bool = False) -> bool:
        async with inbox.once(message_id) as owed:
            if owed:
                await asyncio.sleep(0)  # the twin gets its turn here
                if failing:
                    raise ConnectionError
                self.count += 1
        return owed


# --- in memory ---------------------------------------------------------------------------------------------


async def test_a_duplicate_has_no_second_effect() -> None:
    inbox, effect = MemoryInbox(), Effect()
    assert await effect.happen(inbox, "msg_1")
    assert not await effect.happen(inbox, "msg_1")
    assert await effect.happen(inbox, "msg_2")
    assert effect.count == 2


async def test_twins_at_the_same_time_have_one_effect() -> None:
    inbox, effect = MemoryInbox(), Effect()
    owed = await asyncio.gather(*(effect.happen(inbox, "msg_1") for _ in range(20)))
    assert sum(owed) == effect.count == 1


async def test_an_effect_that_failed_is_owed_again_to_the_waiting_twin() -> None:
    inbox, effect = MemoryInbox(), Effect()
    first = asyncio.create_task(effect.happen(inbox, "msg_1", failing=True))
    twin = asyncio.create_task(effect.happen(inbox, "msg_1"))
    with pytest.raises(ConnectionError):
        await first
    assert await twin
    assert effect.count == 1


async def test_the_oldest_messages_are_forgotten_first() -> None:
    inbox, effect = MemoryInbox(capacity=2), Effect()
    for message_id in ("msg_1", "msg_2", "msg_3"):
        await effect.happen(inbox, message_id)
    assert not await effect.happen(inbox, "msg_3")
    assert not await effect.happen(inbox, "msg_2")
    assert await effect.happen(inbox, "msg_1")


# --- in the receiver's database ----------------------------------------------------------------------------


@asynccontextmanager
async def database(url: str, inbox: SqlInbox) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(url)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(inbox.table.metadata.create_all)
        yield engine
    finally:
        await engine.dispose()


async def test_memory_and_effect_commit_together(database_url: str) -> None:
    inbox, effect = SqlInbox(MetaData()), Effect()
    async with database(database_url, inbox) as engine:
        async with AsyncSession(engine) as session:
            assert await effect.happen(inbox.within(session), "msg_1")
            await session.commit()
        async with AsyncSession(engine) as session:
            assert not await effect.happen(inbox.within(session), "msg_1")
    assert effect.count == 1


async def test_a_rollback_makes_the_effect_owed_again(database_url: str) -> None:
    inbox, effect = SqlInbox(MetaData()), Effect()
    async with database(database_url, inbox) as engine:
        with pytest.raises(ConnectionError):
            async with AsyncSession(engine) as session, session.begin():
                await effect.happen(inbox.within(session), "msg_1", failing=True)
        async with AsyncSession(engine) as session, session.begin():
            assert await effect.happen(inbox.within(session), "msg_1")
    assert effect.count == 1


async def test_twins_in_two_transactions_have_one_effect(database_url: str) -> None:
    inbox, effect = SqlInbox(MetaData()), Effect()
    async with database(database_url, inbox) as engine:

        async def receive() -> bool:
            async with AsyncSession(engine) as session, session.begin():
                return await effect.happen(inbox.within(session), "msg_1")

        owed = await asyncio.gather(*(receive() for _ in range(5)))
    assert sum(owed) == effect.count == 1


async def test_a_twin_waits_until_the_first_one_rolled_back(postgresql_url: str) -> None:
    inbox, effect = SqlInbox(MetaData()), Effect()
    async with (
        database(postgresql_url, inbox) as engine,
        AsyncSession(engine) as first,
        AsyncSession(engine) as second,
    ):
        assert await effect.happen(inbox.within(first), "msg_1")
        twin = asyncio.create_task(effect.happen(inbox.within(second), "msg_1"))
        await first.rollback()
        assert await twin
        await second.commit()
    assert effect.count == 2


async def test_what_is_old_can_be_forgotten(database_url: str) -> None:
    now = [1_000_000.0]
    inbox, effect = SqlInbox(MetaData(), clock=lambda: now[0]), Effect()
    async with database(database_url, inbox) as engine, engine.begin() as connection:
        await effect.happen(inbox.within(connection), "msg_old")
        now[0] += 3600
        await effect.happen(inbox.within(connection), "msg_new")
        await inbox.forget(connection, older_than=1800)
        rows = await connection.execute(select(inbox.table.c.message_id))
        assert rows.scalars().all() == ["msg_new"]


def test_a_sync_session_claims_a_message(tmp_path: Path) -> None:
    inbox = SqlInbox(MetaData(), table_name="seen_messages")
    engine = create_engine(f"sqlite:///{tmp_path}/inbox.db")
    inbox.table.metadata.create_all(engine)
    with Session(engine) as session, session.begin():
        assert inbox.claim(session, "msg_1")
        assert not inbox.claim(session, "msg_1")
        assert session.execute(select(func.count()).select_from(inbox.table)).scalar_one() == 1
    engine.dispose()


def test_another_database_is_refused_with_what_to_do(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/inbox.db")
    engine.dialect.name = "mysql"
    with (
        Session(engine) as session,
        pytest.raises(RingbackError, match=r"mysql; keep the message ids in a table of your own"),
    ):
        SqlInbox(MetaData()).claim(session, "msg_1")
    engine.dispose()
