"""The tutorial's app on Ringback, reduced to what a delivery needs."""

from typing import Any

from fastapi import APIRouter, FastAPI
from pydantic import BaseModel

from bench.given import EVENT
from ringback import Exchange, Ringback

LOOPBACK = ["127.0.0.0/8"]


class Invoice(BaseModel):
    id: str
    customer: str
    total: str


class InvoiceEvent(BaseModel):
    description: str
    paid: bool


class InvoiceEventReceived(BaseModel):
    ok: bool


callbacks = APIRouter()


@callbacks.post("{$callback_url}/invoices/{$request.body.id}", response_model=InvoiceEventReceived)
def invoice_notification(body: InvoiceEvent) -> None: ...


def make_app(app: FastAPI | None = None, **settings: Any) -> Ringback:
    """Ringback on an app that declares the callback; `settings` are Ringback's."""
    app = app or FastAPI()
    ringback = Ringback(app, **{"allow_networks": LOOPBACK, **settings})

    @app.post("/invoices/", callbacks=callbacks.routes, operation_id="create_invoice")
    async def create_invoice(invoice: Invoice, callback_url: str | None = None) -> None: ...

    return ringback


async def owe(ringback: Ringback, session: Any, key: str, base_url: str) -> None:
    """Bind one invoice and owe it the event, as the app's endpoints would."""
    exchange = Exchange(query={"callback_url": base_url}, body={"id": key})
    await ringback.bind(session, "create_invoice", key=key, exchange=exchange)
    event = InvoiceEvent.model_validate(EVENT)
    await ringback.to(session, key=key).send(invoice_notification, event)
