"""A real SQLite file, and lines to it on which time passes and everything can go wrong."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import DataError as SqliteDataError
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.exc import DataError, OperationalError
from sqlalchemy.util import await_only, greenlet_spawn
from testkit.simulator.audit import HISTORY
from testkit.simulator.receivers import UNSTORABLE
from testkit.simulator.world import Actor, World, database_error

from ringback import _migrations
from ringback._sealing import MasterKeys, new_master_key
from ringback._store import sqlite
from ringback._store.store import Store

__all__ = ["Line", "Place"]

_BUSY_SECONDS: Final = 10.0

Value = TypeVar("Value")


class Place:
    """The database of many simulations, one after the other; statements are prepared once for all of them."""

    def __init__(self, folder: Path) -> None:
        path = folder / "simulated.db"
        self.engine = create_engine(f"sqlite:///{path}", pool_size=30)
        sqlite.configure(self.engine)
        # Who finds the database busy must wait in made-up time.
        event.listen(self.engine, "connect", _do_not_wait)
        event.listen(self.engine, "before_cursor_execute", _before_statement)
        with self.engine.begin() as connection:
            _migrations.upgrade(connection)
            for statement in HISTORY:
                connection.exec_driver_sql(statement)
        self.reader = sqlite3.connect(path, isolation_level=None)
        self.reader.row_factory = sqlite3.Row
        tables = self.reader.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '%version'"
        )
        self._tables = [name for (name,) in tables.fetchall() if name != "sqlite_sequence"]
        self._world: World | None = None
        keys = MasterKeys([new_master_key()])
        self.store = Store("sqlite", master_keys=lambda: keys, clock=self._now)

    def give_to(self, world: World) -> None:
        """Empty it for another simulation."""
        self._world = world
        for table in [*self._tables, "sqlite_sequence"]:
            self.reader.execute(f"DELETE FROM {table}")  # noqa: S608 - one of its own tables

    def close(self) -> None:
        """Close all connections."""
        self.reader.close()
        self.engine.dispose()

    def _now(self) -> float:
        assert self._world is not None
        return self._world.now()


def _do_not_wait(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA busy_timeout = 0")


def _before_statement(connection: Connection, _cursor: Any, words: str, values: Any, *_: Any) -> None:
    actor: Actor | None = connection.get_execution_options().get("actor")
    if actor is None:
        return
    world = actor.world
    actor.may_die(world.odds.dies_at_statement)
    if world.happens(world.odds.waits_at_statement):
        await_only(actor.sleep(world.rng.uniform(0.001, 0.02)))
    if world.happens(world.odds.goes_silent):
        world.note(actor.name, "hears nothing more from the database")
        await_only(actor.sleep(120.0))
    if world.happens(world.odds.statement_fails):
        world.note(actor.name, f"fails at {words[:40]!r}")
        raise database_error("disk I/O error")
    if words.startswith("UPDATE") and any(UNSTORABLE in value for value in values if isinstance(value, str)):
        raise DataError("(simulated)", None, SqliteDataError("invalid text"))


@dataclass
class Spoken:
    """What stands in for an `AsyncConnection`."""

    connection: Connection

    async def run_sync(self, work: Callable[..., Value], *arguments: Any) -> Value:
        """Do the work, during which the loop runs whenever a statement takes time."""
        value: Value = await greenlet_spawn(work, self.connection, *arguments)
        return value


@dataclass
class Line:
    """One process's way to the database: what stands in for an `AsyncEngine`."""

    place: Place
    actor: Actor
    on_commit: Callable[[Actor, float, float], None]

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Spoken]:
        """A transaction that is committed at the end, if nothing is in the way."""
        asked = self.actor.world.elapsed
        connection = await self._begun()
        try:
            began = self.actor.world.now()
            connection.execution_options(actor=self.actor)
            yield Spoken(connection)
            await self._commit(connection, began, asked)
        finally:
            connection.close()  # which takes back what was not committed

    async def _begun(self) -> Connection:
        actor, world = self.actor, self.actor.world
        actor.check()
        await actor.sleep(world.rng.uniform(0.0005, 0.004))
        if world.happens(world.odds.cannot_connect):
            raise database_error("unable to open database file")
        waiting_since = world.elapsed
        while True:
            connection = self.place.engine.connect()
            try:
                connection.begin()
            except OperationalError:
                connection.close()
                if world.elapsed - waiting_since > _BUSY_SECONDS:
                    raise
                await actor.sleep(world.rng.uniform(0.005, 0.1))
            else:
                return connection

    async def _commit(self, connection: Connection, began: float, asked: float) -> None:
        actor, world = self.actor, self.actor.world
        actor.may_die(world.odds.dies_at_commit)
        await actor.sleep(world.rng.uniform(0.0005, 0.004))
        if world.happens(world.odds.commit_fails):
            world.note(actor.name, "cannot commit")
            raise database_error("disk I/O error")
        connection.commit()
        self.on_commit(actor, began, asked)
        if world.happens(world.odds.commit_unheard):
            world.note(actor.name, "does not hear that it has committed")
            raise database_error("disk I/O error")
        actor.may_die(world.odds.dies_at_commit)
        await asyncio.sleep(0)
        actor.check()
