"""How SQLite must be opened so that it loses nothing: IMMEDIATE, FULL, and WAL only where it is sound."""

import sqlite3
from typing import Any

from sqlalchemy import Connection, Engine, event

_BUSY_TIMEOUT_MS = 10_000


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
    """
    if not is_configured(engine):
        event.listen(engine, "connect", _on_connect)
        event.listen(engine, "begin", _on_begin)


def is_configured(engine: Engine) -> bool:
    """Whether `configure` has seen this engine."""
    return event.contains(engine, "begin", _on_begin)


def _on_connect(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
    cursor.execute(f"PRAGMA journal_mode = {'WAL' if wal_is_sound() else 'TRUNCATE'}")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _on_begin(connection: Connection) -> None:
    read_only = connection.get_execution_options().get("sqlite_read_only", False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")
