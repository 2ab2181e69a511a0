"""How SQLite must be opened so that it loses nothing: IMMEDIATE, FULL, and WAL only where it is sound."""

import asyncio
import sqlite3
from typing import Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, Pool, event
from sqlalchemy.util import await_only

_BUSY_TIMEOUT_MS = 10_000
# What one turn of a worker reads and writes again, among millions of rows; the default of 2 MB is too small.
_CACHE_KIB: Final = 8_192

# Seconds that a writer waits for its turn before it tries its luck as writers of other processes do.
_LONGEST_WAIT: Final = 5.0
_TURN: Final = "ringback_turn"
_turns: WeakKeyDictionary[Pool, WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock]] = (
    WeakKeyDictionary()
)


def wal_is_sound(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> bool:
    """Whether this SQLite keeps every commit in WAL mode.

    From 3.7.0 to 3.51.2 a checkpoint that meets a commit of another connection can drop the commit
    without an error. The repair is in 3.51.3 and later, 3.50.7 and 3.44.6 (sqlite.org, "WAL-reset bug").
    """
    return version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51) or (3, 44, 6) <= version < (3, 45)


def configure(engine: Engine) -> None:
    """Set an engine up for Ringback, once.

    Transactions begin IMMEDIATE: one that reads first and writes later would fail at once, without
    waiting, when another has written in between (SQLITE_BUSY_SNAPSHOT). A read-only transaction says
    ``execution_options(sqlite_read_only=True)`` and takes no write lock.

    Writers on one event loop take turns in the order in which they come. SQLite itself has them sleep, longer
    each time, and whoever looks at the right moment goes first: of 32 writers some waited for two seconds.
    """
    if not is_configured(engine):
        event.listen(engine, "connect", _on_connect)
        event.listen(engine, "begin", _on_begin)
        event.listen(engine, "commit", _on_end)
        event.listen(engine, "rollback", _on_end)
        event.listen(engine, "checkin", _on_checkin)
        event.listen(engine, "invalidate", _on_checkin)


def is_configured(engine: Engine) -> bool:
    """Whether `configure` has seen this engine."""
    return event.contains(engine, "begin", _on_begin)


def _on_connect(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
    cursor.execute(f"PRAGMA journal_mode = {'WAL' if wal_is_sound() else 'TRUNCATE'}")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _on_begin(connection: Connection) -> None:
    if connection.get_execution_options().get("sqlite_read_only", False):
        connection.exec_driver_sql("BEGIN")
        return
    if connection.dialect.is_async:
        await_only(_take_turn(connection))
    try:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    except BaseException:
        _on_end(connection)
        raise


async def _take_turn(connection: Connection) -> None:
    locks = _turns.setdefault(connection.engine.pool, WeakKeyDictionary())
    lock = locks.setdefault(asyncio.get_running_loop(), asyncio.Lock())
    try:
        async with asyncio.timeout(_LONGEST_WAIT):
            await lock.acquire()
    except TimeoutError:
        return
    connection.info[_TURN] = lock


def _give_turn(info: Any) -> None:
    lock = info.pop(_TURN, None)
    if lock is not None:
        lock.release()


def _on_end(connection: Connection) -> None:
    # Just before the commit, since no event comes after it: the next one has only this to wait for.
    if not connection.invalidated:
        _give_turn(connection.info)


def _on_checkin(_connection: Any, record: Any, _error: BaseException | None = None) -> None:
    # Also where it is invalidated: whoever is cancelled in the middle of a statement loses its connection.
    _give_turn(record.info)
