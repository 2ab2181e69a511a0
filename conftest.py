"""Fixtures that every test of both packages may use: real databases, empty for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from testkit.postgresql import Server, running_server


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Server]:
    """A real PostgreSQL, started when the first test asks for it."""
    with running_server() as server:
        yield server


@pytest.fixture
def postgresql_url(postgresql_server: Server) -> Iterator[str]:
    """The ``postgresql+asyncpg`` URL of a database that is empty and this test's own."""
    url = postgresql_server.create_database()
    yield url
    postgresql_server.drop_database(url)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The ``sqlite+aiosqlite`` URL of a file that does not exist yet."""
    return f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Each database in turn: a test that uses this runs on all of them."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url
