"""A checkout session of the sandbox, in the shape of Stripe's object, and what happens to it."""

import json
import secrets
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from invoices.payments.sandbox.ledger import Event

__all__ = ["CreateSession", "approve", "decline", "expire_when_due", "new_session"]

MAX_AMOUNT = 99_999_999
"""The largest amount that Stripe charges at once, in minor units."""

DAY = 24 * 60 * 60

_Metadata = Annotated[
    dict[
        Annotated[str, StringConstraints(min_length=1, max_length=40)],
        Annotated[str, StringConstraints(max_length=500)],
    ],
    Field(max_length=50),
]
_Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s]+$", max_length=5000)]


class _Parameters(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ProductData(_Parameters):
    """What is sold, as the customer reads it."""

    name: str = Field(min_length=1, max_length=1500)
    description: str | None = Field(default=None, min_length=1, max_length=1500)


class PriceData(_Parameters):
    """Amount of one unit, in minor units of the currency."""

    currency: Annotated[str, StringConstraints(pattern="^[A-Za-z]{3}$", to_lower=True)]
    unit_amount: int = Field(ge=1)
    product_data: ProductData


class LineItem(_Parameters):
    """One line of the checkout page."""

    price_data: PriceData
    quantity: int = Field(ge=1, le=10_000)


class PaymentIntentData(_Parameters):
    """What the payment behind the session carries."""

    metadata: _Metadata = {}


class CreateSession(_Parameters):
    """The parameters of ``POST /v1/checkout/sessions`` that the sandbox knows; it refuses the rest."""

    mode: Literal["payment"]
    line_items: list[LineItem] = Field(min_length=1, max_length=100)
    success_url: _Url
    cancel_url: _Url | None = None
    client_reference_id: str | None = Field(default=None, min_length=1, max_length=200)
    customer_email: str | None = Field(default=None, min_length=3, max_length=800)
    metadata: _Metadata = {}
    payment_intent_data: PaymentIntentData = PaymentIntentData()


def new_session(parameters: CreateSession, *, public_url: str, now: int) -> dict[str, Any]:
    """An open, unpaid session whose page is below `public_url`."""
    session_id = f"cs_test_{secrets.token_hex(29)}"
    amount = sum(item.price_data.unit_amount * item.quantity for item in parameters.line_items)
    return {
        "id": session_id,
        "object": "checkout.session",
        "amount_subtotal": amount,
        "amount_total": amount,
        "cancel_url": parameters.cancel_url,
        "client_reference_id": parameters.client_reference_id,
        "created": now,
        "currency": parameters.line_items[0].price_data.currency,
        "customer": None,
        "customer_details": None,
        "customer_email": parameters.customer_email,
        "expires_at": now + DAY,
        "livemode": False,
        "metadata": parameters.metadata,
        "mode": "payment",
        "payment_intent": None,
        "payment_method_types": ["card"],
        "payment_status": "unpaid",
        "status": "open",
        "success_url": parameters.success_url,
        "url": f"{public_url}/checkout/{session_id}",
        # Not part of Stripe's object: what the sandbox's own page shows, and the payment's own metadata.
        "sandbox": {
            "title": parameters.line_items[0].price_data.product_data.name,
            "payment_metadata": parameters.payment_intent_data.metadata,
            "declines": 0,
        },
    }


def approve(session: dict[str, Any], *, now: int) -> tuple[dict[str, Any], list[Event]]:
    """The customer pays: once. A session that is not open any more stays as it is and tells nothing."""
    session, events = expire_when_due(session, now=now)
    if session["status"] != "open":
        return session, events
    paid = session | {
        "status": "complete",
        "payment_status": "paid",
        "payment_intent": f"pi_{secrets.token_hex(12)}",
        "customer_details": {"email": session["customer_email"], "name": None},
        "url": None,
    }
    return paid, [_event("checkout.session.completed", public(paid), now)]


def decline(session: dict[str, Any], *, now: int) -> tuple[dict[str, Any], list[Event]]:
    """The customer's card is declined: the session stays open, and the failed payment is told."""
    session, events = expire_when_due(session, now=now)
    if session["status"] != "open":
        return session, events
    inside = session["sandbox"]
    declined = session | {"sandbox": inside | {"declines": inside["declines"] + 1}}
    failed = {
        "id": f"pi_{secrets.token_hex(12)}",
        "object": "payment_intent",
        "amount": session["amount_total"],
        "amount_received": 0,
        "created": now,
        "currency": session["currency"],
        "last_payment_error": {
            "type": "card_error",
            "code": "card_declined",
            "decline_code": "generic_decline",
            "message": "Your card was declined.",
        },
        "livemode": False,
        "metadata": inside["payment_metadata"],
        "status": "requires_payment_method",
    }
    return declined, [_event("payment_intent.payment_failed", failed, now)]


def expire_when_due(session: dict[str, Any], *, now: int) -> tuple[dict[str, Any], list[Event]]:
    """A session that nobody completed within its day cannot be paid any more."""
    if session["status"] != "open" or now < session["expires_at"]:
        return session, []
    expired = session | {"status": "expired", "url": None}
    return expired, [_event("checkout.session.expired", public(expired), now)]


def public(session: dict[str, Any]) -> dict[str, Any]:
    """The session as the API shows it."""
    return {name: value for name, value in session.items() if name != "sandbox"}


def _event(kind: str, subject: dict[str, Any], now: int) -> Event:
    event_id = f"evt_{secrets.token_hex(12)}"
    return Event(
        event_id,
        json.dumps(
            {
                "id": event_id,
                "object": "event",
                "api_version": None,
                "created": now,
                "data": {"object": subject},
                "livemode": False,
                "pending_webhooks": 1,
                "request": {"id": None, "idempotency_key": None},
                "type": kind,
            }
        ),
    )
