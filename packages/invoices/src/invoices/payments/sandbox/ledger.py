"""What the sandbox remembers across restarts: sessions, refunds, answered keys, events not told yet.

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

__all__ = ["Answer", "Books", "Event", "KeyReused", "Ledger", "Rule"]

_TABLES = """
CREATE TABLE IF NOT EXISTS sessions (
  id TEXT PRIMARY KEY, payment_intent TEXT UNIQUE, due INTEGER, object TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS refunds (
  id TEXT PRIMARY KEY, payment_intent TEXT NOT NULL, object TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS answers (
  idempotency_key TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, body TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS events (id TEXT PRIMARY KEY, payload TEXT NOT NULL, told INTEGER NOT NULL) STRICT;
"""


class KeyReused(Exception):
    """An idempotency key came again with other parameters."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The object that a request got; `replayed` when its idempotency key had been answered before."""

    object: dict[str, Any]
    replayed: bool
    events: tuple["Event", ...] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """Something that the sandbox tells the service; `payload` is the JSON text that is signed and posted."""

    id: str
    payload: str


Rule = Callable[[dict[str, Any]], tuple[dict[str, Any], list[Event]]]


class Books:
    """The sandbox's objects, inside one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def session(self, session_id: str) -> dict[str, Any] | None:
        """The checkout session of this id."""
        return self._one("SELECT object FROM sessions WHERE id = ?", session_id)

    def session_of(self, payment_intent: str) -> dict[str, Any] | None:
        """The checkout session that was paid by this payment intent."""
        return self._one("SELECT object FROM sessions WHERE payment_intent = ?", payment_intent)

    def keep_session(self, session: dict[str, Any]) -> None:
        """Store a session, or what has become of it."""
        self._connection.execute(
            "INSERT INTO sessions VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
            "payment_intent = excluded.payment_intent, due = excluded.due, object = excluded.object",
            (session["id"], session["payment_intent"], session["sandbox"]["due"], json.dumps(session)),
        )

    def due(self) -> list[tuple[str, int]]:
        """The sessions to which something will happen by itself, and when."""
        rows = self._connection.execute("SELECT id, due FROM sessions WHERE due IS NOT NULL")
        return [(str(row[0]), int(row[1])) for row in rows]

    def refund(self, refund_id: str) -> dict[str, Any] | None:
        """The refund of this id."""
        return self._one("SELECT object FROM refunds WHERE id = ?", refund_id)

    def refunds_of(self, payment_intent: str) -> list[dict[str, Any]]:
        """All refunds of a payment intent."""
        rows = self._connection.execute(
            "SELECT object FROM refunds WHERE payment_intent = ?", (payment_intent,)
        )
        return [dict(json.loads(row[0])) for row in rows]

    def keep_refund(self, refund: dict[str, Any]) -> None:
        """Store a refund."""
        self._connection.execute(
            "INSERT INTO refunds VALUES (?, ?, ?)",
            (refund["id"], refund["payment_intent"], json.dumps(refund)),
        )

    def owe(self, events: list[Event]) -> None:
        """Store what is to be told."""
        self._connection.executemany(
            "INSERT INTO events VALUES (?, ?, 0)", [(event.id, event.payload) for event in events]
        )

    def _one(self, query: str, name: str) -> dict[str, Any] | None:
        row = self._connection.execute(query, (name,)).fetchone()
        return None if row is None else dict(json.loads(row[0]))


class Ledger:
    """The sandbox's own SQLite file. Every method is one transaction, off the event loop."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def prepare(self) -> None:
        """Make the file and its tables where they are missing."""
        await asyncio.to_thread(self._prepare)

    async def answer_once(
        self, key: str | None, fingerprint: str, make: Callable[[Books], tuple[dict[str, Any], list[Event]]]
    ) -> Answer:
        """Answer with the object that `make` stores; or give the answer that `key` got before.

        Raises `KeyReused` if the key was used with another fingerprint, and what `make` raises.
        """
        return await asyncio.to_thread(self._answer_once, key, fingerprint, make)

    async def session(self, session_id: str) -> dict[str, Any] | None:
        """The checkout session as Stripe would show it, or None if there is none with this id."""
        return await asyncio.to_thread(self._look, lambda books: books.session(session_id))

    async def refund(self, refund_id: str) -> dict[str, Any] | None:
        """The refund, or None if there is none with this id."""
        return await asyncio.to_thread(self._look, lambda books: books.refund(refund_id))

    async def due(self) -> list[tuple[str, int]]:
        """The sessions to which something will happen by itself, and when."""
        return await asyncio.to_thread(self._look, lambda books: books.due())

    async def change(self, session_id: str, decide: Rule) -> tuple[dict[str, Any], list[Event]] | None:
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

    def _answer_once(
        self, key: str | None, fingerprint: str, make: Callable[[Books], tuple[dict[str, Any], list[Event]]]
    ) -> Answer:
        with self._transaction() as connection:
            known = connection.execute(
                "SELECT fingerprint, body FROM answers WHERE idempotency_key = ?", (key,)
            ).fetchone()
            if known is not None:
                if known[0] != fingerprint:
                    raise KeyReused(key)
                return Answer(json.loads(known[1]), replayed=True)
            books = Books(connection)
            made, events = make(books)
            books.owe(events)
            if key is not None:
                connection.execute(
                    "INSERT INTO answers VALUES (?, ?, ?)", (key, fingerprint, json.dumps(made))
                )
            return Answer(made, replayed=False, events=tuple(events))

    def _look(self, look: Callable[[Books], Any]) -> Any:
        with self._transaction() as connection:
            return look(Books(connection))

    def _change(self, session_id: str, decide: Rule) -> tuple[dict[str, Any], list[Event]] | None:
        with self._transaction() as connection:
            books = Books(connection)
            session = books.session(session_id)
            if session is None:
                return None
            changed, events = decide(session)
            for one in changed.pop("beside", []):
                books.keep_session(one)
            if changed != session:
                books.keep_session(changed)
            books.owe(events)
            return changed, events

    def _untold(self) -> list[Event]:
        with self._transaction() as connection:
            rows = connection.execute("SELECT id, payload FROM events WHERE told = 0 ORDER BY rowid")
            return [Event(*row) for row in rows]

    def _mark_told(self, event_id: str) -> None:
        with self._transaction() as connection:
            connection.execute("UPDATE events SET told = 1 WHERE id = ?", (event_id,))
