"""A small shop with the tutorial's callback, on a real database, with a real receiver."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import psycopg
import pytest
from fastapi import FastAPI
from sqlalchemy import make_url
from standardwebhooks import Webhook
from testkit.postgresql import Server
from testkit.secret_scan import scan
from testkit.tutorial import Invoice, InvoiceEvent, callbacks, invoice_notification

from ringback import Delivery, DeliveryReport, Exchange, Ringback
from ringback._store import reports
from ringback._store.reports import AttemptReport
from ringback.testing import Clock, LocalReceiver, Received, drain

LOOPBACK = ["127.0.0.0/8"]


def create_invoice(invoice: Invoice, callback_url: str | None = None) -> dict[str, str]:
    return {"msg": "Invoice received"}


def new_app() -> FastAPI:
    app = FastAPI()
    app.post("/invoices/", callbacks=callbacks.routes, operation_id="create_invoice")(create_invoice)
    return app


@dataclass
class Shop:
    """A Ringback that runs, and shorthands that each use one transaction of their own."""

    ringback: Ringback
    clock: Clock

    async def bind(self, key: str, url: str | None, *, owner: str = "") -> None:
        query: dict[str, str | list[str]] = {} if url is None else {"callback_url": url}
        async with self.ringback.transaction() as session:
            exchange = Exchange(query=query, body={"id": key})
            await self.ringback.bind(session, "create_invoice", key=key, owner=owner, exchange=exchange)

    async def send(
        self, key: str, description: str = "Payment celebration", *, owner: str = "", **options: Any
    ) -> Delivery | None:
        async with self.ringback.transaction() as session:
            to = self.ringback.to(session, key=key, owner=owner)
            return await to.options(**options).send(invoice_notification, self.event(description)[1])

    async def owe(
        self, key: str, url: str, description: str = "Payment celebration", *, owner: str = ""
    ) -> str:
        await self.bind(key, url, owner=owner)
        delivery = await self.send(key, description, owner=owner)
        assert delivery is not None
        return delivery.id

    @staticmethod
    def event(description: str = "Payment celebration") -> tuple[Callable[..., Any], InvoiceEvent]:
        return invoice_notification, InvoiceEvent(description=description, paid=True)

    async def drain(self, *, whole_schedule: bool = False, timeout: float = 20.0) -> None:
        await drain(self.ringback, clock=self.clock if whole_schedule else None, timeout=timeout)

    async def reports(self, key: str | None = None) -> list[DeliveryReport]:
        async with self.ringback.transaction() as session:
            return list(reversed(await self.ringback.deliveries(session, key=key, limit=100_000)))

    async def report(self, key: str | None = None) -> DeliveryReport:
        [report] = await self.reports(key)
        return report

    async def attempts(self, message_id: str) -> list[AttemptReport]:
        async with self.ringback.engine.begin() as connection:
            return await connection.run_sync(reports.list_attempts, message_id)

    async def secret(self, owner: str = "") -> str:
        async with self.ringback.transaction() as session:
            return await self.ringback.signing_secret(session, owner=owner)


@pytest.fixture(scope="session")
def postgresql_database(postgresql_server: Server) -> Iterator[str]:
    """One database for all tests of this folder: emptying it is ten times faster than making another."""
    url = postgresql_server.create_database()
    yield url
    postgresql_server.drop_database(url)


@pytest.fixture
def postgresql_url(postgresql_database: str) -> Iterator[str]:
    yield postgresql_database
    scan.search_database(postgresql_database)
    address = make_url(postgresql_database).set(drivername="postgresql")
    with psycopg.connect(address.render_as_string(hide_password=False)) as connection:
        found = connection.execute("SELECT tablename FROM pg_tables WHERE tablename LIKE 'ringback_%'")
        names = ", ".join(name for (name,) in found if not name.endswith("version"))
        if names:
            connection.execute(f"TRUNCATE {names}".encode())


@pytest.fixture
def clock(ringback_clock: Clock) -> Clock:
    return ringback_clock


OpenShop = Callable[..., AbstractAsyncContextManager[Shop]]


@pytest.fixture
def open_shop(database_url: str, clock: Clock) -> OpenShop:
    """`async with open_shop(**settings) as shop`: the engine runs inside the block.

    `figures` replaces figures of the worker that users cannot set, such as how often it does its upkeep.
    """

    @asynccontextmanager
    async def opened(
        *, running: bool = True, figures: dict[str, Any] | None = None, **settings: Any
    ) -> AsyncIterator[Shop]:
        values: dict[str, Any] = {"database": database_url, "allow_networks": LOOPBACK, "now": clock}
        ringback = Ringback(new_app(), **(values | settings))
        ringback._worker_settings = replace(ringback._worker_settings, **(figures or {}))
        try:
            if running:
                async with ringback.running():
                    yield Shop(ringback, clock)
            else:
                await ringback.migrate()
                yield Shop(ringback, clock)
        finally:
            await ringback.engine.dispose()

    return opened


@pytest.fixture
async def shop(open_shop: OpenShop) -> AsyncIterator[Shop]:
    async with open_shop() as shop:
        yield shop


@pytest.fixture
def receiver(ringback_receiver: LocalReceiver) -> LocalReceiver:
    return ringback_receiver


@pytest.fixture
def verified() -> Callable[[Received, str], Any]:
    """Verify a request with the public library; gives the payload."""

    def verify(received: Received, secret: str) -> Any:
        return Webhook(secret).verify(received.body, dict(received.headers))

    return verify
