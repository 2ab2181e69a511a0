"""The migrations make exactly the tables that the statements use."""

import asyncio
from typing import Any

import pytest
from alembic import command
from sqlalchemy import inspect, text
from sqlalchemy.ext.asyncio import create_async_engine

from ringback import _migrations
from ringback._errors import MigrationNeeded
from ringback._store import sqlite


async def test_migrations_and_tables_agree(bench: Any) -> None:
    await bench.run(lambda c: command.check(_migrations._config(c)))


async def test_upgrading_again_does_nothing(bench: Any) -> None:
    assert await bench.run(_migrations.upgrade) == (_migrations.head(), _migrations.head())
    await bench.run(_migrations.check)


async def test_processes_that_start_together_migrate_once(database_url: Any) -> None:
    engine = create_async_engine(database_url)
    if engine.dialect.name == "sqlite":
        sqlite.configure(engine.sync_engine)

    async def upgrade() -> Any:
        async with engine.begin() as connection:
            return await connection.run_sync(_migrations.upgrade)

    before = [result[0] for result in await asyncio.gather(*(upgrade() for _ in range(4)))]
    await engine.dispose()
    assert sorted(before, key=str) == [_migrations.head()] * 3 + [None]


async def test_tables_that_are_missing_are_named_with_the_command_that_makes_them(database_url: Any) -> None:
    engine = create_async_engine(database_url)
    async with engine.begin() as connection:
        with pytest.raises(MigrationNeeded, match="ringback migrate"):
            await connection.run_sync(_migrations.check)
    await engine.dispose()


async def test_tables_of_a_newer_version_are_left_alone(bench: Any) -> None:
    await bench.run(lambda c: c.execute(text("UPDATE ringback_alembic_version SET version_num = '9999'")))
    for act in (_migrations.check, _migrations.upgrade):
        with pytest.raises(MigrationNeeded, match="newer Ringback"):
            await bench.run(act)


async def test_newer_tables_of_the_same_series_are_good_enough(bench: Any) -> None:
    newer = str(int(_migrations.head()) + 1).rjust(4, "0")
    await bench.run(lambda c: c.execute(text(f"UPDATE ringback_alembic_version SET version_num = '{newer}'")))
    assert await bench.run(_migrations.check) == newer
    assert await bench.run(_migrations.upgrade) == (newer, newer)
    assert await bench.run(_migrations._current) == newer


@pytest.mark.parametrize("unknown", ["9999", "1001", "0000", "00002", "abcd"])
async def test_tables_of_another_series_or_of_nobody_are_refused(bench: Any, unknown: str) -> None:
    await bench.run(
        lambda c: c.execute(text(f"UPDATE ringback_alembic_version SET version_num = '{unknown}'"))
    )
    with pytest.raises(MigrationNeeded, match="does not know"):
        await bench.run(_migrations.check)


async def test_all_tables_can_be_taken_back(bench: Any) -> None:
    await bench.run(lambda c: command.downgrade(_migrations._config(c), "base"))
    names = await bench.run(lambda c: set(inspect(c).get_table_names()))
    assert names <= {"ringback_alembic_version", "sqlite_sequence"}
