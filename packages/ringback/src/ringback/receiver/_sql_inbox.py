"""The inbox in the receiver's own database: the memory of a message commits together with its effect."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ringback._errors import RingbackError

if TYPE_CHECKING:
    from sqlalchemy import Connection, MetaData, Table
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
    from sqlalchemy.orm import Session

__all__ = ["SqlInbox"]


class SqlInbox:
    """A table of message ids beside the receiver's own tables. Works on PostgreSQL and SQLite.

    The table joins `metadata`, so that the receiver's ``create_all`` or migrations make it:

        inbox = SqlInbox(Base.metadata)

        async with inbox.within(session).once(message.id) as owed:
            if owed:
                ...  # the effect, in the same session

    Nothing here commits. Whoever commits the session makes effect and memory true together, and a rollback
    forgets both. On PostgreSQL a twin delivery waits until the first one's transaction ends.
    """

    def __init__(
        self,
        metadata: "MetaData",
        *,
        table_name: str = "ringback_inbox",
        clock: Callable[[], float] = time.time,
    ) -> None:
        import sqlalchemy as sql

        self._clock = clock
        self.table: Table = sql.Table(
            table_name,
            metadata,
            sql.Column("message_id", sql.String(256), primary_key=True),
            sql.Column("received_at", sql.Double, nullable=False, index=True, comment="seconds, epoch"),
        )

    def within(self, session: "AsyncSession | AsyncConnection") -> "_SessionInbox":
        """Return the inbox as one transaction sees it."""
        return _SessionInbox(self, session)

    def claim(self, session: "Session | Connection", message_id: str) -> bool:
        """Remember a message in a sync session; return whether it was new, so that its effect is owed."""
        insert = _insert_of(session)
        statement = (
            insert(self.table)
            .values(message_id=message_id, received_at=self._clock())
            .on_conflict_do_nothing()
            .returning(self.table.c.message_id)
        )
        return session.execute(statement).scalar_one_or_none() is not None

    async def forget(self, session: "AsyncSession | AsyncConnection", *, older_than: float) -> None:
        """Delete what was received more than `older_than` seconds ago.

        Keep at least as long as the provider retries: Ringback tries for four days by itself, and an operator
        may replay later still.
        """
        horizon = self._clock() - older_than
        await session.execute(self.table.delete().where(self.table.c.received_at < horizon))


class _SessionInbox:
    def __init__(self, inbox: SqlInbox, session: "AsyncSession | AsyncConnection") -> None:
        self._inbox = inbox
        self._session = session

    @asynccontextmanager
    async def once(self, message_id: str) -> AsyncIterator[bool]:
        """As in `Inbox`; a block that raises must end in a rollback of the session, as it does by default."""
        yield await self._session.run_sync(self._inbox.claim, message_id)


def _insert_of(session: "Session | Connection") -> Callable[..., "PostgresInsert | SqliteInsert"]:
    from sqlalchemy import Connection
    from sqlalchemy.dialects import postgresql, sqlite

    connection = session if isinstance(session, Connection) else session.connection()
    if connection.dialect.name == "postgresql":
        return postgresql.insert
    if connection.dialect.name == "sqlite":
        return sqlite.insert
    raise RingbackError(
        f"SqlInbox works on PostgreSQL and SQLite, and this database is {connection.dialect.name}; "
        "keep the message ids in a table of your own, with a unique index."
    )


if TYPE_CHECKING:
    from sqlalchemy.dialects.postgresql import Insert as PostgresInsert
    from sqlalchemy.dialects.sqlite import Insert as SqliteInsert
