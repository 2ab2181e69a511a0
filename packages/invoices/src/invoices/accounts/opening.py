"""What every account command begins with: the service's database with its tables, and one transaction."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from invoices import migrations
from invoices.accounts import service
from invoices.database import connect, make_sessions
from invoices.settings import Settings
from ringback import Ringback

__all__ = ["opened", "run"]

Value = TypeVar("Value")


@asynccontextmanager
async def opened(settings: Settings, *, migrated: bool) -> AsyncIterator[tuple[Ringback, Any]]:
    """The database and a Ringback that delivers nothing itself, with every table in place."""
    settings.prepare_data_dir()
    engine = connect(settings.database)
    ringback = Ringback(database=engine, worker="external", secret_key=settings.signing_keys)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(migrations.upgrade if migrated else migrations.check)
        if migrated:
            await ringback.migrate()
        sessions = make_sessions(engine)
        async with sessions.begin() as session:
            await service.ensure_default(session)
        yield ringback, sessions
    finally:
        await engine.dispose()


def run(work: Callable[[AsyncSession, Ringback], Awaitable[Value]]) -> Value:
    """Do the work in one transaction, and commit it."""

    async def inside() -> Value:
        settings = Settings()
        async with (
            opened(settings, migrated=settings.worker == "embedded") as (ringback, sessions),
            sessions.begin() as session,
        ):
            return await work(session, ringback)

    return asyncio.run(inside())
