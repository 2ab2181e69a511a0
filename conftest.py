"""Fixtures that every test of both packages may use: empty real databases and a real browser."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser
from testkit.browser import HOW_TO_INSTALL, find_chromium, running_browser
from testkit.folders import memory_folder
from testkit.postgresql import Server, running_server

from ringback import _sealing

pytest_plugins = ["testkit.secret_scan"]

if folder := memory_folder():
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", folder)  # pytest's name for the root of `tmp_path`


def pytest_configure() -> None:
    """Give every database, and every process that a test starts, a master key."""
    os.environ["RINGBACK_KEY"] = _sealing.new_master_key()
    os.environ.pop("COLUMNS", None)  # where tests run in several processes, each would fold its lines there


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


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """A headless Chromium. Tests that use it are left out where none is installed, and the run says so."""
    async with running_browser() as chromium:
        yield chromium


_LEFT_OUT = pytest.StashKey[int]()
_WAITING = ("/acceptance/", "schemathesis", "browser", "docs_src")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with what waits most, and leave out the tests of pages where there is no browser.

    Unless ``REQUIRE_BROWSER`` is set. What waits for processes of its own goes first, so that at the end no
    process of the tests is left alone with it.
    """
    items.sort(key=lambda item: not any(word in item.path.as_posix() for word in _WAITING))
    if os.environ.get("REQUIRE_BROWSER") or find_chromium():
        return
    left_out = [item for item in items if "browser" in getattr(item, "fixturenames", ())]
    config.stash[_LEFT_OUT] = len(left_out)
    if left_out:
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Say last what did not run: it would be overlooked above."""
    if count := config.stash.get(_LEFT_OUT, 0):
        print(f"{count} browser tests did not run: {HOW_TO_INSTALL}.")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what tests have counted."""
    for report in terminalreporter.getreports("passed"):
        figures = dict(report.user_properties).get("figures")
        if figures:
            terminalreporter.write_line(f"{report.nodeid.rpartition('::')[2]}: {figures}")
