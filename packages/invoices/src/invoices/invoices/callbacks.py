"""What the service promises to call: the external API, declared as in FastAPI's tutorial."""

from fastapi import APIRouter
from pydantic import BaseModel

__all__ = ["InvoiceEvent", "InvoiceEventReceived", "invoice_notification", "invoices_callback_router"]


class InvoiceEvent(BaseModel):
    """What happened to an invoice."""

    description: str
    paid: bool


class InvoiceEventReceived(BaseModel):
    """The external API's answer: it has understood."""

    ok: bool


invoices_callback_router = APIRouter()


@invoices_callback_router.post(
    "{$callback_url}/invoices/{$request.body.id}", response_model=InvoiceEventReceived
)
def invoice_notification(body: InvoiceEvent) -> None:
    """Tell the external API that something happened to the invoice."""
