"""What FastAPI's callbacks tutorial declares, as far as tests of its callback need it."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

__all__ = ["Invoice", "InvoiceEvent", "InvoiceEventReceived", "callbacks", "invoice_notification"]


class Invoice(BaseModel):
    """The body of `POST /invoices/`."""

    id: str


class InvoiceEvent(BaseModel):
    """The body of the callback."""

    description: str
    paid: bool


class InvoiceEventReceived(BaseModel):
    """The answer to the callback."""

    ok: bool


callbacks = APIRouter()
"""For ``callbacks=callbacks.routes``."""


@callbacks.post("{$callback_url}/invoices/{$request.body.id}", response_model=InvoiceEventReceived)
def invoice_notification(body: InvoiceEvent) -> Any:
    """The callback."""
