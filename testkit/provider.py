"""A provider with the tutorial's callback for several owners, and a receiver of what is signed for them."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from testkit.tutorial import Invoice, InvoiceEvent, callbacks, invoice_notification

from ringback import Exchange, Ringback
from ringback.testing import Clock, LocalReceiver, Received, drain

__all__ = ["Provider", "open_provider"]


def create_invoice(invoice: Invoice, callback_url: str) -> dict[str, str]:  # noqa: ARG001 - only declared
    """The operation that declares it."""
    return {"msg": "Invoice received"}


@dataclass
class Provider:
    """An app that signs, and a receiver of its callbacks."""

    app: FastAPI
    ringback: Ringback
    clock: Clock
    receiver: LocalReceiver

    async def send(self, owner: str, key: str = "2expen51ve", *, url: str | None = None) -> None:
        """Owe `owner` the news that an invoice is paid: at `url`, or at the receiver, under its name."""
        base = f"{self.receiver.url}/{owner}" if url is None else url
        async with self.ringback.transaction() as session:
            exchange = Exchange(query={"callback_url": base}, body={"id": key})
            await self.ringback.bind(
                session, "create_invoice", key=key, owner=owner, exchange=exchange, replace=True
            )
            event = InvoiceEvent(description="Payment celebration", paid=True)
            await self.ringback.to(session, key=key, owner=owner).send(invoice_notification, event)

    async def called(self, owner: str, key: str = "2expen51ve") -> Received:
        """The same at the receiver, once it has arrived."""
        await self.send(owner, key)
        await drain(self.ringback)
        return self.receiver.requests[-1]

    async def ask(self, what: Callable[..., Any], **arguments: Any) -> Any:
        """One question or change in a transaction of its own."""
        async with self.ringback.transaction() as session:
            return await what(session, **arguments)


@asynccontextmanager
async def open_provider(receiver: LocalReceiver, **settings: Any) -> AsyncIterator[Provider]:
    """Yield a provider whose worker runs; `settings` are those of `Ringback`."""
    app, clock = FastAPI(), Clock()
    app.post("/invoices/", callbacks=callbacks.routes, operation_id="create_invoice")(create_invoice)
    values: dict[str, Any] = {"allow_networks": ["127.0.0.0/8"], "now": clock}
    ringback = Ringback(app, **(values | settings))
    app.include_router(ringback.jwks_router())
    try:
        async with ringback.running():
            yield Provider(app, ringback, clock, receiver)
    finally:
        await ringback.engine.dispose()
