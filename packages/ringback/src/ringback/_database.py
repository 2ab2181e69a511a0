"""The caller's transaction: the same work on it, sync or async, by session or by connection."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from ringback._errors import RingbackError, WrongDatabase
from ringback._store import sqlite

Caller: TypeAlias = Session | Connection
AsyncCaller: TypeAlias = AsyncSession | AsyncConnection
Database: TypeAlias = AsyncEngine | Engine | URL | str

Value = TypeVar("Value")

_ASYNC_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}
_WAKING = "ringback_waking"


@dataclass(frozen=True, slots=True)
class CallersDatabase:
    """The database that callers must be bound to, and whom to wake when they have committed."""

    engine: AsyncEngine
    wake: Callable[[], None]
    wake_later: Callable[[], None]

    def run(self, caller: Caller, work: Callable[[Connection], Value]) -> Value:
        """Do `work` in the caller's transaction, which is neither begun nor ended here."""
        connection = caller.connection() if isinstance(caller, Session) else caller
        if not _same(connection.engine.url, self.engine.url):
            raise WrongDatabase(
                f"This session talks to {connection.engine.url!r}, and Ringback delivers from "
                f"{self.engine.url!r}. Use a session of that database, so that both commit as one."
            )
        value = work(connection)
        self._wake_on_commit(caller)
        return value

    async def run_async(self, caller: AsyncCaller, work: Callable[[Connection], Value]) -> Value:
        """The same for an async session or connection."""
        return await caller.run_sync(self.run, work)

    def _wake_on_commit(self, caller: Caller) -> None:
        if isinstance(caller, Connection):
            # This event comes just before the commit, so the wake-up must come a little after it.
            event.listen(caller, "commit", lambda _connection: self.wake_later(), once=True)
        elif not caller.info.get(_WAKING):
            caller.info[_WAKING] = True
            event.listen(caller, "after_commit", lambda _session: self.wake())


def engine_for(database: Database) -> AsyncEngine:
    """The async engine that Ringback works with: the given one, or one of its own for a URL."""
    if isinstance(database, AsyncEngine):
        if database.dialect.name == "sqlite" and not sqlite.is_configured(database.sync_engine):
            warnings.warn(
                "This SQLite engine is used as it is. Call Ringback.configure_sqlite(engine) before its "
                "first connection, so that transactions begin IMMEDIATE and commits outlive a power cut.",
                stacklevel=4,
            )
        return database
    url = database.url if isinstance(database, Engine) else make_url(database)
    driver = _ASYNC_DRIVERS.get(url.get_backend_name())
    if driver is None:
        raise RingbackError(
            f"Ringback keeps its outbox in SQLite or PostgreSQL, and {url!r} is neither. "
            "Give Ringback(database=...) an engine or URL of one of the two."
        )
    # Errors end up in logs, and URLs and bodies among their parameters do not belong there.
    engine = create_async_engine(url.set(drivername=driver), hide_parameters=True)
    if engine.dialect.name == "sqlite":
        sqlite.configure(engine.sync_engine)
    return engine


def configure_sqlite(engine: AsyncEngine | Engine) -> None:
    """Set a SQLite engine of the app's own up so that nothing is lost; other engines are left alone."""
    inner = engine.sync_engine if isinstance(engine, AsyncEngine) else engine
    if inner.dialect.name == "sqlite":
        sqlite.configure(inner)


def _same(one: URL, other: URL) -> bool:
    """Whether two URLs name one database; drivers, users and options may differ."""
    return (
        one.get_backend_name() == other.get_backend_name()
        and one.host == other.host
        and (one.port or 5432) == (other.port or 5432)
        and one.database == other.database
    )
