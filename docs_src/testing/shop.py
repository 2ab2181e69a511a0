from collections.abc import Callable, Sequence
from typing import Any

from fastapi import APIRouter, FastAPI
from pydantic import BaseModel, HttpUrl

from ringback import Callbacks, Ringback


class Invoice(BaseModel):
    id: str


class InvoiceEvent(BaseModel):
    description: str
    paid: bool


class InvoiceEventReceived(BaseModel):
    ok: bool


callbacks_router = APIRouter()


@callbacks_router.post("{$callback_url}/invoices/{$request.body.id}", response_model=InvoiceEventReceived)
def invoice_notification(body: InvoiceEvent) -> Any:
    """Tell the external API that something happened to the invoice."""


def create_app(
    database: str, *, allow_networks: Sequence[str] = (), now: Callable[[], float] | None = None
) -> FastAPI:
    app = FastAPI()
    ringback = Ringback(app, database=database, allow_networks=allow_networks, now=now)

    @app.post("/invoices/", callbacks=callbacks_router.routes)
    async def create_invoice(
        invoice: Invoice, callbacks: Callbacks, callback_url: HttpUrl | None = None
    ) -> dict[str, str]:
        async with ringback.transaction() as session:
            await callbacks.bind(session, key=invoice.id)
        return {"msg": "Invoice received"}

    @app.post("/payments/{invoice_id}")
    async def payment_arrived(invoice_id: str) -> dict[str, str]:
        async with ringback.transaction() as session:
            event = InvoiceEvent(description="Payment celebration", paid=True)
            await ringback.to(session, key=invoice_id).send(invoice_notification, event)
        return {"msg": "Thank you"}

    return app
