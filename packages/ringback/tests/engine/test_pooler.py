"""Behind PgBouncer in transaction mode: no session state is needed, with or without a direct line."""

import time
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import uuid4

import pytest
from fastapi import APIRouter, FastAPI
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool
from testkit.pgbouncer import pooled

from ringback import Exchange, Ringback
from ringback.testing import LocalReceiver

pytestmark = pytest.mark.long

MASTER_KEY = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="


class Event(BaseModel):
    """The tutorial's payload."""

    paid: bool


def shop(engine: AsyncEngine, **settings: Any) -> tuple[Ringback, Callable[[Event], None]]:
    app, callbacks = FastAPI(), APIRouter()

    @callbacks.post("{$request.query.url}/done")
    def done(body: Event) -> None: ...

    @app.post("/orders", operation_id="order", callbacks=callbacks.routes)
    def order(url: str) -> None: ...

    ringback = Ringback(
        app, database=engine, secret_key=MASTER_KEY, allow_networks=["127.0.0.0/8"], **settings
    )
    return ringback, done


@pytest.fixture
async def pooled_engine(postgresql_url: str) -> AsyncIterator[AsyncEngine]:
    with pooled(postgresql_url) as url:
        engine = create_async_engine(
            url,
            poolclass=NullPool,
            connect_args={
                "statement_cache_size": 0,
                "prepared_statement_cache_size": 0,
                "prepared_statement_name_func": lambda: f"__{uuid4()}__",
            },
        )
        yield engine
        await engine.dispose()


async def test_everything_is_delivered_in_order_by_polling_alone(pooled_engine: AsyncEngine) -> None:
    ringback, done = shop(pooled_engine)
    with LocalReceiver("ok") as receiver:
        async with ringback.running():
            for number in range(20):
                async with ringback.transaction() as session:
                    key = f"k{number % 5}"
                    await ringback.bind(
                        session, "order", key=key, exchange=Exchange(query={"url": receiver.url})
                    )
                    await ringback.to(session, key=key).send(done, Event(paid=bool(number % 2)))
            await ringback.drain(60)
        assert len(receiver.requests) == 20


async def test_a_direct_line_lets_workers_hear_of_commits_at_once(
    pooled_engine: AsyncEngine, postgresql_url: str
) -> None:
    provider, done = shop(pooled_engine, worker="external")
    await provider.migrate()
    worker, _ = shop(pooled_engine, worker="external", direct_database=postgresql_url)
    app = provider._app
    assert app is not None
    with LocalReceiver("ok") as receiver:
        async with worker.running(), app.router.lifespan_context(app):
            waits = []
            for number in range(5):
                async with provider.transaction() as session:
                    await provider.bind(
                        session, "order", key=f"k{number}", exchange=Exchange(query={"url": receiver.url})
                    )
                    await provider.to(session, key=f"k{number}").send(done, Event(paid=True))
                committed = time.monotonic()
                await receiver.received(number + 1)
                waits.append(time.monotonic() - committed)
        # Polling alone takes half a second on average; the median of five is far below when it is told.
        assert sorted(waits)[2] < 0.25
