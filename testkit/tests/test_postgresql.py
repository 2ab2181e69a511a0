import os
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from testkit import postgresql
from testkit.postgresql import Server, running_server


async def test_each_test_gets_a_database_that_is_empty_and_its_own(database_url: str) -> None:
    engine = create_async_engine(database_url)
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE mark (id INTEGER)"))
        assert (await connection.execute(text("SELECT count(*) FROM mark"))).scalar_one() == 0
    await engine.dispose()


async def test_a_database_is_dropped_even_while_somebody_is_connected(postgresql_server: Server) -> None:
    url = postgresql_server.create_database()
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
        postgresql_server.drop_database(url)
        await connection.invalidate()
    await engine.dispose()


def test_the_server_inside_the_wheel_serves_where_none_is_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(postgresql, "_installed", lambda: iter(()))
    monkeypatch.setattr(postgresql, "_open_to_all", lambda _: False)
    monkeypatch.delenv("TEST_DATABASE_URL", raising=False)
    with running_server() as server:
        server.drop_database(server.create_database())


def test_the_newest_installed_server_is_taken() -> None:
    folders = [Path(f"/usr/lib/postgresql/{version}/bin") for version in (9, 18, 15)]
    assert sorted(folders, key=postgresql._version, reverse=True)[0].parts[4] == "18"


def test_a_server_that_is_named_in_the_environment_is_used_as_it_is(
    monkeypatch: pytest.MonkeyPatch, postgresql_server: Server
) -> None:
    url = postgresql_server.url.set(drivername="postgresql").render_as_string(hide_password=False)
    monkeypatch.setitem(os.environ, "TEST_DATABASE_URL", url)
    with running_server() as server:
        server.drop_database(server.create_database())
        assert server.url.drivername == "postgresql+asyncpg"
