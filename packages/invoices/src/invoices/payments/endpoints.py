"""Where the payment provider reports: signed webhooks, read as raw bytes."""

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from invoices.errors import ServiceError, TooLarge, responses
from invoices.payments.body import BodyTooLarge, read_body
from invoices.payments.provider import ForgedEvent
from invoices.payments.service import Cashier

__all__ = ["Received", "router"]

MAX_EVENT = 256 * 1024

router = APIRouter(tags=["payments"])


class Received(BaseModel):
    """The event is stored; whether it changed something is not the provider's concern."""

    received: bool = Field(default=True, examples=[True])


class BadEvent(ServiceError):
    """The webhook is not signed by the provider, or not an event."""

    status_code = 400


@router.post(
    "/payments/stripe",
    summary="Receive an event of the payment provider",
    responses=responses(BadEvent, TooLarge),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"type": "object", "title": "Event of Stripe"}}},
        },
        "parameters": [
            {
                "name": "Stripe-Signature",
                "in": "header",
                "required": True,
                "schema": {"type": "string"},
                "description": "Time and signature of the raw body, as Stripe documents them.",
            }
        ],
    },
)
async def receive_event(request: Request) -> Received:
    """Called by Stripe, or by the built-in sandbox.

    The signature is verified on the raw body. Events that are repeated, unknown or about something else are
    acknowledged and change nothing.
    """
    try:
        body = await read_body(request, MAX_EVENT)
        event = request.app.state.provider.verify_event(body, request.headers.get("stripe-signature"))
    except BodyTooLarge as error:
        raise TooLarge(f"an event has at most {error.limit} bytes", field="body") from error
    except ForgedEvent as error:
        raise BadEvent(str(error), field="Stripe-Signature", place="header") from error
    await Cashier.of(request.app.state).receive(event)
    return Received()
