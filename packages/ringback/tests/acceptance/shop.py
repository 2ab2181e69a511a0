"""The program that is killed: a small app with invoices of its own, run as API, as worker, or as both.

It is the product as users run it. Crash points are laid round it from outside, in this process only: a plan
``{"point": NAME, "at": N, "signal": "SIGKILL"}`` ends the process when it comes to that point the Nth time.
"""

import asyncio
import os
import signal
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from types import ModuleType
from typing import Annotated, Any

import uvicorn
from fastapi import APIRouter, Depends, FastAPI
from pydantic import BaseModel
from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, event, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from testkit.forking import say
from testkit.tutorial import Invoice, InvoiceEvent, invoice_notification
from testkit.tutorial import callbacks as tutorials_callbacks

from ringback import Callbacks, Delivery, Exchange, Outcome, RetrySchedule, Ringback, _intake
from ringback._connection import Connection as HttpConnection
from ringback._engine import Couriers
from ringback._outbox import Outbox
from ringback._store import claims
from ringback._store.claims import ClaimStore
from ringback._store.results import ResultStore
from ringback._transport import Transport
from ringback.cli import main

metadata = MetaData()
invoices = Table(
    "invoices", metadata, Column("id", String(40), primary_key=True), Column("paid", Integer, default=0)
)


class Receipt(BaseModel):
    ok: bool
    # What the next version of the app would like to be told.
    seen_by: str | None = None


next_router = APIRouter()
next_router.post("{$callback_url}/invoices/{$request.body.id}", response_model=Receipt)(invoice_notification)


@next_router.post("{$callback_url}/voided/{$request.body.id}", response_model=Receipt)
def invoice_voided(body: InvoiceEvent) -> Any: ...


async def write_letter(delivery: Delivery) -> Outcome:
    return Outcome.delivered("in the post")


def new_app(database: str, points: "Points", *, version: int = 1, **figures: Any) -> FastAPI:
    """The app; `figures` are Ringback's settings, and under "worker_settings" those of its worker.

    Version 2 promises something else about the answer, knows one callback more, and a channel.
    """
    engine = create_async_engine(database)
    Ringback.configure_sqlite(engine)
    sessions = async_sessionmaker(engine)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with engine.begin() as connection:
            await connection.run_sync(metadata.create_all)
        yield
        await engine.dispose()

    app = FastAPI(lifespan=lifespan)
    worker_settings = figures.pop("worker_settings", {})
    ringback = Ringback(app, database=engine, allow_networks=["127.0.0.0/8"], **figures)
    ringback._worker_settings = replace(ringback._worker_settings, **worker_settings)
    points.watch(engine)

    async def get_session() -> AsyncIterator[AsyncSession]:
        async with sessions.begin() as session:
            yield session
            points.reach("api:commit")
        points.reach("api:committed")

    SessionDep = Annotated[AsyncSession, Depends(get_session, scope="function")]

    if version == 2:
        _add_what_is_new(app, ringback, SessionDep)

    @app.post("/invoices/", callbacks=(next_router if version == 2 else tutorials_callbacks).routes)
    async def create_invoice(
        invoice: Invoice, session: SessionDep, callbacks: Callbacks, callback_url: str
    ) -> dict[str, str]:
        """Idempotent by the invoice's id."""
        known = await session.execute(select(invoices.c.id).where(invoices.c.id == invoice.id))
        if known.first() is None:
            await session.execute(invoices.insert().values(id=invoice.id, paid=0))
        await callbacks.bind(session, key=invoice.id)
        return {"msg": "Invoice received"}

    @app.post("/invoices/{invoice_id}/parts/{part}")
    async def pay_part(invoice_id: str, part: int, session: SessionDep) -> dict[str, int]:
        """Idempotent by the part's number."""
        to = ringback.to(session, key=invoice_id).options(idempotency_key=f"part {part}")
        await to.send(invoice_notification, InvoiceEvent(description=f"{invoice_id} part {part}", paid=True))
        mine = invoices.c.id == invoice_id
        await session.execute(invoices.update().where(mine, invoices.c.paid < part).values(paid=part))
        return {"part": part}

    @app.post("/bulk/{name}/{count}")
    async def pay_many(name: str, count: int, session: SessionDep, callback_url: str) -> None:
        """Many invoices with one part each, in one transaction."""
        for number in range(count):
            key = f"{name}-{number}"
            exchange = Exchange(query={"callback_url": callback_url}, body={"id": key})
            await ringback.bind(session, create_invoice, key=key, exchange=exchange)
            to = ringback.to(session, key=key).options(idempotency_key="part 1")
            await to.send(invoice_notification, InvoiceEvent(description=f"{key} part 1", paid=True))

    @app.get("/secret")
    async def signing_secret(session: SessionDep) -> str:
        return await ringback.signing_secret(session)

    return app


def _add_what_is_new(app: FastAPI, ringback: Ringback, session_dependency: Any) -> None:
    ringback.channel("letter", write_letter, in_flight=4)

    @app.post("/invoices/{invoice_id}/void/{part}")
    async def void(invoice_id: str, part: int, session: session_dependency) -> None:
        to = ringback.to(session, key=invoice_id).options(idempotency_key=f"part {part}")
        await to.send(invoice_voided, InvoiceEvent(description=f"{invoice_id} void", paid=False))

    @app.post("/letters/{number}")
    async def send_letter(number: int, session: session_dependency) -> None:
        await ringback.enqueue(
            session, "letter", {"number": number}, to=f"reader{number}", key=f"part {number}"
        )


# --- what the forker runs -----------------------------------------------------------------------------------


def serve(database: str, plan: dict[str, Any] | None = None, **figures: Any) -> None:
    """The API, with the worker in it unless ``worker="external"``; says its port when it listens."""
    app = new_app(database, Points(plan), **_settings(figures))
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=10)
    server = uvicorn.Server(config)

    async def run() -> None:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started and not serving.done():
            await asyncio.sleep(0.01)
        say({"port": listener.getsockname()[1]})
        await serving

    asyncio.run(run())


def work(database: str, plan: dict[str, Any] | None = None, grace: float = 25.0, **figures: Any) -> None:
    """The command ``ringback worker``; says "working" before it begins."""
    module = ModuleType("shop_of_this_process")
    module.app = new_app(database, Points(plan), worker="external", **_settings(figures))  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    say("working")
    main(["worker", f"{module.__name__}:app", "--grace", str(grace)])


def migrate(database: str) -> None:
    """Make the tables of the outbox and of the app, as a deployment does before workers start."""
    app = new_app(database, Points(None), worker="external")

    async def run() -> None:
        ringback: Ringback = app.state.ringback
        await ringback.migrate()
        async with ringback.engine.begin() as connection:
            await connection.run_sync(metadata.create_all)
        await ringback.engine.dispose()

    asyncio.run(run())


def _settings(figures: dict[str, Any]) -> dict[str, Any]:
    """Leases of a second or so, which no user can ask for: a test cannot wait a minute for each crash."""
    claims._APART = figures.pop("apart", 0.5)  # type: ignore[misc]
    _intake._MARGIN = figures.pop("lease_margin", 0.5)  # type: ignore[misc]
    if "delays" in figures:
        figures["schedule"] = RetrySchedule(tuple(figures.pop("delays")), jitter=0.0)
    return figures


# --- crash points -------------------------------------------------------------------------------------------


class Points:
    """Counts how often each point is reached, and ends the process at the one of the plan."""

    def __init__(self, plan: dict[str, Any] | None) -> None:
        self._plan = plan or {}
        self._in_use = 0
        self._careful = False
        self._reached: Counter[str] = Counter()
        self._doing = ""

    def reach(self, point: str) -> None:
        """The process is at this point now."""
        self._reached[point] += 1
        if self._plan.get("point") == point and self._plan.get("at", 1) == self._reached[point]:
            how = signal.Signals[self._plan.get("signal", "SIGKILL")]
            if how is signal.SIGSTOP:
                say(point)
            os.kill(os.getpid(), how)

    def watch(self, engine: AsyncEngine) -> None:
        """Lay the points round the parts of the library, in this process."""
        self._careful = engine.dialect.name == "sqlite" and self._plan.get("signal") == "SIGSTOP"
        self._statements(engine)
        self._around(ClaimStore, "claim", "claim")
        self._around(ClaimStore, "lapse", "lapse")
        self._around(ResultStore, "record", "record")
        self._around(Outbox, "send", "send")
        self._before_attempts()
        self._after_sending()
        self._after_answer()

    async def reach_outside(self, point: str) -> None:
        """The same, once no transaction is open: who is stopped in one on SQLite stops everybody."""
        while self._in_use and self._careful:
            await asyncio.sleep(0)
        self.reach(point)

    def _statements(self, engine: AsyncEngine) -> None:
        """`claim:statement` and the like: before each statement; `claim:commit`: before the COMMIT."""

        def statement(connection: Connection, *_: Any) -> None:
            if self._doing:
                connection.info.setdefault("did", set()).add(self._doing)
                self.reach(f"{self._doing}:statement")

        def commit(connection: Connection) -> None:
            for work in sorted(connection.info.pop("did", ())):
                self.reach(f"{work}:commit")

        def rollback(connection: Connection) -> None:
            connection.info.pop("did", None)

        def checkout(*_: Any) -> None:
            self._in_use += 1

        def checkin(*_: Any) -> None:
            self._in_use -= 1

        event.listen(engine.sync_engine.pool, "checkout", checkout)
        event.listen(engine.sync_engine.pool, "checkin", checkin)
        event.listen(engine.sync_engine, "before_cursor_execute", statement)
        event.listen(engine.sync_engine, "commit", commit)
        event.listen(engine.sync_engine, "rollback", rollback)

    def _around(self, owner: type, name: str, doing: str) -> None:
        original = getattr(owner, name)

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            before, self._doing = self._doing, doing
            try:
                return original(*args, **kwargs)
            finally:
                self._doing = before

        setattr(owner, name, wrapped)

    def _before_attempts(self) -> None:
        """`attempt`: claimed, and nothing has left yet. `poison`: the same with a certain body."""
        original = Couriers.attempt

        async def attempt(couriers: Couriers, claimed: Any, *args: Any) -> Any:
            await self.reach_outside("attempt")
            if b"poison" in claimed.body:
                self.reach("poison")
            return await original(couriers, claimed, *args)

        Couriers.attempt = attempt  # type: ignore[method-assign, assignment]

    def _after_sending(self) -> None:
        """`sent`: the request's bytes have been handed to the kernel, and no answer was read."""
        original = HttpConnection.exchange

        async def exchange(connection: HttpConnection, *args: Any) -> None:
            exchanging = asyncio.ensure_future(original(connection, *args))
            await asyncio.sleep(0)
            await self.reach_outside("sent")
            await exchanging

        HttpConnection.exchange = exchange  # type: ignore[method-assign, assignment]

    def _after_answer(self) -> None:
        """`answered`: the whole answer was read, and nothing is recorded yet."""
        original = Transport.send

        async def send(transport: Transport, *args: Any, **kwargs: Any) -> Any:
            response = await original(transport, *args, **kwargs)
            await self.reach_outside("answered")
            return response

        Transport.send = send  # type: ignore[method-assign, assignment]
