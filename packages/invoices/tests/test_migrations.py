"""The revisions and the models say the same, on both databases, beside Ringback's tables."""

from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

from invoices import migrations
from invoices.database import connect
from invoices.tables import metadata
from ringback import Ringback

RENUMBER = f"UPDATE {migrations.VERSION_TABLE} SET version_num = :revision"


def differences(connection: Connection) -> list[Any]:
    context = MigrationContext.configure(
        connection,
        opts={
            "version_table": migrations.VERSION_TABLE,
            "include_object": migrations.is_ours,
            "compare_type": True,
            "compare_server_default": True,
        },
    )
    return list(compare_metadata(context, metadata))


async def test_models_and_revisions_agree_and_leave_ringbacks_tables_alone(database_url: str) -> None:
    engine = connect(database_url)
    await Ringback(database=engine, worker="external").migrate()
    async with engine.begin() as connection:
        await connection.run_sync(migrations.upgrade)
        assert await connection.run_sync(differences) == []
        names = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
    assert {"invoices", "ringback_targets", migrations.VERSION_TABLE} <= set(names)
    await engine.dispose()


@pytest.mark.parametrize("revision", ["1001", "later"])
async def test_tables_of_another_series_are_not_touched(database_url: str, revision: str) -> None:
    engine = connect(database_url)
    async with engine.begin() as connection:
        await connection.run_sync(migrations.upgrade)
        await connection.execute(text(RENUMBER), {"revision": revision})
    for work in (migrations.upgrade, migrations.check):
        with pytest.raises(migrations.SchemaError, match="a newer version has been here"):
            async with engine.begin() as connection:
                await connection.run_sync(work)
    await engine.dispose()


async def test_tables_to_which_a_newer_version_has_only_added_will_do(database_url: str) -> None:
    engine = connect(database_url)
    async with engine.begin() as connection:
        await connection.run_sync(migrations.upgrade)
        await connection.execute(text("ALTER TABLE invoices ADD COLUMN region varchar(16)"))
        await connection.execute(text(RENUMBER), {"revision": "0002"})
        await connection.run_sync(migrations.check)
        await connection.run_sync(migrations.upgrade)
        found = await connection.execute(text(f"SELECT version_num FROM {migrations.VERSION_TABLE}"))
        assert found.scalar_one() == "0002"
    await engine.dispose()


async def test_tables_that_are_missing_are_told(database_url: str) -> None:
    engine = connect(database_url)
    with pytest.raises(migrations.SchemaError, match="Run `invoices migrate` once"):
        async with engine.begin() as connection:
            await connection.run_sync(migrations.check)
    await engine.dispose()


async def test_upgrading_twice_changes_nothing_and_check_is_content(database_url: str) -> None:
    engine = connect(database_url)
    for _ in range(2):
        async with engine.begin() as connection:
            await connection.run_sync(migrations.upgrade)
            await connection.run_sync(migrations.check)
    await engine.dispose()
