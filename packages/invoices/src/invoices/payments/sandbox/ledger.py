"""What the sandbox remembers across restarts: sessions, answered idempotency keys, events not told yet.

A file of its own and not the service's database: the sandbox stands for a foreign company, and a service that
held a transaction open while it called the provider would not notice if both shared one.
"""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Answer", "Event", "KeyReused", "Ledger"]

_TABLES = """
CREATE TABLE IF NOT EXISTS sessions (id TEXT PRIMARY KEY, object TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS answers (
  idempotency_key TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, body TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS events (id TEXT PRIMARY KEY, payload TEXT NOT NULL, told INTEGER NOT NULL) STRICT;
"""


class KeyReused(Exception):
    """An idempotency key came again with other parameters."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The session that a request got; `replayed` when its idempotency key had been answered before."""

    session: dict[str, Any]
    replayed: bool


@dataclass(frozen=True, slots=True)
class Event:
    """Something that the sandbox tells the service; `payload` is the JSON text that is signed and posted."""

    id: str
    payload: str


class Ledger:
    """The sandbox's own SQLite file. Every method is one transaction, off the event loop."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def prepare(self) -> None:
        """Make the file and its tables where they are missing."""
        await asyncio.to_thread(self._prepare)

    async def answer_once(
        self, key: str | None, fingerprint: str, make: Callable[[], dict[str, Any]]
    ) -> Answer:
        """Store the session that `make` gives and answer with it; or give the answer that `key` got before.

        Raises `KeyReused` if the key was used with another fingerprint.
        """
        return await asyncio.to_thread(self._answer_once, key, fingerprint, make)

    async def session(self, session_id: str) -> dict[str, Any] | None:
        """The checkout session as Stripe would show it, or None if there is none with this id."""
        return await asyncio.to_thread(self._session, session_id)

    async def change(
        self, session_id: str, decide: Callable[[dict[str, Any]], tuple[dict[str, Any], list[Event]]]
    ) -> tuple[dict[str, Any], list[Event]] | None:
        """Replace a session by what `decide` makes of it and store the events with it; None if unknown."""
        return await asyncio.to_thread(self._change, session_id, decide)

    async def untold(self) -> list[Event]:
        """The events that the service has not acknowledged, oldest first."""
        return await asyncio.to_thread(self._untold)

    async def mark_told(self, event_id: str) -> None:
        """The service has acknowledged this event."""
        await asyncio.to_thread(self._mark_told, event_id)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self._path, timeout=10, isolation_level=None)
        try:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
        finally:
            connection.close()

    def _prepare(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self._path, timeout=10, isolation_level=None)
        try:
            connection.executescript(_TABLES)
        finally:
            connection.close()
        self._path.chmod(0o600)

    def _answer_once(self, key: str | None, fingerprint: str, make: Callable[[], dict[str, Any]]) -> Answer:
        with self._transaction() as connection:
            known = connection.execute(
                "SELECT fingerprint, body FROM answers WHERE idempotency_key = ?", (key,)
            ).fetchone()
            if known is not None:
                if known[0] != fingerprint:
                    raise KeyReused(key)
                return Answer(json.loads(known[1]), replayed=True)
            session = make()
            body = json.dumps(session)
            connection.execute("INSERT INTO sessions VALUES (?, ?)", (session["id"], body))
            if key is not None:
                connection.execute("INSERT INTO answers VALUES (?, ?, ?)", (key, fingerprint, body))
            return Answer(session, replayed=False)

    def _session(self, session_id: str) -> dict[str, Any] | None:
        with self._transaction() as connection:
            return _read(connection, session_id)

    def _change(
        self, session_id: str, decide: Callable[[dict[str, Any]], tuple[dict[str, Any], list[Event]]]
    ) -> tuple[dict[str, Any], list[Event]] | None:
        with self._transaction() as connection:
            session = _read(connection, session_id)
            if session is None:
                return None
            changed, events = decide(session)
            if changed != session:
                connection.execute(
                    "UPDATE sessions SET object = ? WHERE id = ?", (json.dumps(changed), session_id)
                )
            connection.executemany(
                "INSERT INTO events VALUES (?, ?, 0)", [(event.id, event.payload) for event in events]
            )
            return changed, events

    def _untold(self) -> list[Event]:
        with self._transaction() as connection:
            rows = connection.execute("SELECT id, payload FROM events WHERE told = 0 ORDER BY rowid")
            return [Event(*row) for row in rows]

    def _mark_told(self, event_id: str) -> None:
        with self._transaction() as connection:
            connection.execute("UPDATE events SET told = 1 WHERE id = ?", (event_id,))


def _read(connection: sqlite3.Connection, session_id: str) -> dict[str, Any] | None:
    row = connection.execute("SELECT object FROM sessions WHERE id = ?", (session_id,)).fetchone()
    return None if row is None else dict(json.loads(row[0]))
