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


async def test_tables_of_a_newer_version_are_not_touched(database_url: str) -> None:
    engine = connect(database_url)
    async with engine.begin() as connection:
        await connection.run_sync(migrations.upgrade)
        await connection.execute(text(f"UPDATE {migrations.VERSION_TABLE} SET version_num = 'later'"))
    for work in (migrations.upgrade, migrations.check):
        with pytest.raises(migrations.SchemaError, match="a newer version has been here"):
            async with engine.begin() as connection:
                await connection.run_sync(work)
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
