"""The service's one database, which Ringback shares, and the only commit: at the edge of a request."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import Depends, Request
from sqlalchemy import DateTime, Dialect, MetaData, TypeDecorator
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

from ringback import Ringback

__all__ = ["Base", "Moment", "ReadSessionDep", "SessionDep", "connect", "make_sessions", "reading"]


# PostgreSQL gives each query its own snapshot anyway: BEGIN and ROLLBACK would be two more round trips.
_READING: Final[Mapping[str, Mapping[str, Any]]] = {
    "sqlite": {"sqlite_read_only": True},
    "postgresql": {"isolation_level": "AUTOCOMMIT"},
}


class Base(DeclarativeBase):
    """The base of every table of the service. Ringback's tables have their own."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Moment(TypeDecorator[datetime]):
    """A point in time: always aware, always UTC, also on SQLite, which keeps no time zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Refuse a naive time: nobody could say which hour it means."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone; use datetime.now(UTC)")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Give the zone back that SQLite has dropped."""
        return None if value is None else value.replace(tzinfo=value.tzinfo or UTC)


def connect(url: str, **options: Any) -> AsyncEngine:
    """An engine for the service and Ringback together."""
    # Errors end up in logs, and what customers wrote does not belong there.
    engine = create_async_engine(url, **{"hide_parameters": True} | options)
    Ringback.configure_sqlite(engine)
    return engine


def make_sessions(engine: AsyncEngine) -> async_sessionmaker[AsyncSession]:
    """Sessions whose rows stay readable after the commit."""
    return async_sessionmaker(engine, expire_on_commit=False)


@asynccontextmanager
async def reading(sessions: async_sessionmaker[AsyncSession]) -> AsyncIterator[AsyncSession]:
    """A session that only reads, and waits for no writer; on PostgreSQL each query sees its own moment."""
    async with sessions() as session:
        options = _READING[session.get_bind().dialect.name]
        await session.connection(execution_options=options)
        yield session


async def get_session(request: Request) -> AsyncIterator[AsyncSession]:
    """One transaction for one request, committed before the answer leaves; any exception rolls it back."""
    async with request.app.state.sessions.begin() as session:
        yield session


async def get_read_session(request: Request) -> AsyncIterator[AsyncSession]:
    """One transaction that only reads, for one request."""
    async with reading(request.app.state.sessions) as session:
        yield session


# scope="function" is what makes an answer imply a committed row: with FastAPI's default the code after the
# `yield` runs only when the client has its answer.
SessionDep = Annotated[AsyncSession, Depends(get_session, scope="function")]
ReadSessionDep = Annotated[AsyncSession, Depends(get_read_session, scope="function")]
