"""Which database a command works on, and its transactions there."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from sqlalchemy import Connection
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ringback import _migrations
from ringback._database import engine_for
from ringback._errors import RingbackError
from ringback._master_keys import MasterKeyFinder
from ringback._store.store import Store
from ringback.cli._loading import load_ringback

if TYPE_CHECKING:
    from ringback._ringback import Ringback

__all__ = ["AppArgument", "AppOption", "DatabaseOption", "FactoryOption", "Open", "Place", "shown"]

DEFAULT_DATABASE = "sqlite+aiosqlite:///ringback.db"
VARIABLE = "RINGBACK_DATABASE"

Value = TypeVar("Value")

_PANEL = "Which database"
_APP_HELP = "The app that has it, as shop.main:app."

AppArgument = Annotated[str | None, typer.Argument(metavar="MODULE:APP", help=_APP_HELP)]
AppOption = Annotated[
    str | None, typer.Option("--app", metavar="MODULE:APP", help=_APP_HELP, rich_help_panel=_PANEL)
]
FactoryOption = Annotated[
    bool,
    typer.Option(
        "--factory", help="The app's name is that of a function that makes it.", rich_help_panel=_PANEL
    ),
]
DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        help=f"Its URL. Else the app's is taken, else ${VARIABLE}, else ./ringback.db.",
        rich_help_panel=_PANEL,
    ),
]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command works, as its options say: a URL goes before an app, an app before the environment."""

    database: str | None = None
    app: str | None = None
    factory: bool = False

    def ringback(self) -> "Ringback | None":
        """The app's Ringback, if an app was named."""
        return None if self.app is None else load_ringback(self.app, factory=self.factory)

    def engine(self, ringback: "Ringback | None") -> AsyncEngine:
        """The engine of the database; raises `RingbackError` where none can be made."""
        if self.database is None and ringback is not None:
            return ringback.engine
        text = self.database or os.environ.get(VARIABLE) or DEFAULT_DATABASE
        try:
            return engine_for(text)
        except ArgumentError:
            raise RingbackError(
                "This is not a database URL: it must look like sqlite:///ringback.db or "
                "postgresql://user@host/database. Check --database and $RINGBACK_DATABASE."
            ) from None
        except ModuleNotFoundError as error:
            raise RingbackError(
                f"The driver {error.name} is not installed. Run: pip install 'ringback[postgresql]'."
            ) from error

    def open(self, *, create: bool = False) -> "Open":
        """The database, not yet connected to. A SQLite file that is not there is an error unless `create`."""
        # Outside of any loop: the app's module may run one of its own while it is imported.
        ringback = self.ringback()
        engine = self.engine(ringback)
        if not create:
            _check_file(engine.url)
        master_keys = MasterKeyFinder(None, engine.url) if ringback is None else ringback.master_keys
        return Open(engine, Store(engine.dialect.name, master_keys=master_keys), ringback, master_keys)

    def run(self, work: "Callable[[Open], Coroutine[Any, Any, Value]]") -> Value:
        """Do `work` on the open database, whose tables must be those of this version, and close it."""

        async def checked(database: Open) -> Value:
            await database.read(_migrations.check)
            return await work(database)

        return self.open().run(checked)


@dataclass(frozen=True, slots=True)
class Open:
    """A database that is open for one command."""

    engine: AsyncEngine
    store: Store
    ringback: "Ringback | None"
    master_keys: MasterKeyFinder

    def run(self, work: "Callable[[Open], Coroutine[Any, Any, Value]]") -> Value:
        """Do `work` in a loop of its own and close the database."""

        async def inside() -> Value:
            try:
                return await work(self)
            finally:
                await self.engine.dispose()

        return asyncio.run(inside())

    async def read(self, work: Callable[[Connection], Value]) -> Value:
        """Do `work` in a transaction that only reads, and so holds up no writer."""
        async with self._connected() as connection:
            await connection.execution_options(sqlite_read_only=True)
            return await connection.run_sync(work)

    async def write(self, work: Callable[[Connection], Value]) -> Value:
        """Do `work` in a transaction and commit it."""
        async with self._connected() as connection, connection.begin():
            return await connection.run_sync(work)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AsyncConnection]:
        try:
            connection = await self.engine.connect()
        except Exception as error:  # each driver has its own words for "not there" and "not you"
            reason = getattr(error, "orig", None) or error
            raise RingbackError(
                f"The database {shown(self.engine.url)} cannot be opened: {reason}. Check that it is up and "
                "that the URL, the user and the password are right."
            ) from error
        try:
            yield connection
        finally:
            await connection.close()


def shown(url: URL) -> str:
    """A database's URL for people: without the password, and without options, where passwords hide too."""
    return url.set(drivername=url.get_backend_name(), query={}).render_as_string(hide_password=True)


def _check_file(url: URL) -> None:
    if url.get_backend_name() != "sqlite":
        return
    name = url.database or ":memory:"
    if name == ":memory:":
        raise RingbackError(
            "A SQLite database in memory belongs to the process that made it. Name a file or a server."
        )
    if not name.startswith("file:") and not Path(name).exists():
        raise RingbackError(
            f"There is no database file {Path(name).absolute()}. Name the database with --database, with the "
            f"app (module:app) or in ${VARIABLE}; `ringback migrate` makes a new one."
        )
