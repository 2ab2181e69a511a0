"""A checkout session of the sandbox, in the shape of Stripe's object."""

import json
import secrets
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from invoices.payments.sandbox.ledger import Event

__all__ = ["MAX_AMOUNT", "CreateSession", "Metadata", "event", "new_session", "public"]

MAX_AMOUNT = 99_999_999
"""The largest amount that Stripe charges at once, in minor units."""

DAY = 24 * 60 * 60

Metadata = Annotated[
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

    metadata: Metadata = {}


class CreateSession(_Parameters):
    """The parameters of ``POST /v1/checkout/sessions`` that the sandbox knows; it refuses the rest."""

    mode: Literal["payment"]
    line_items: list[LineItem] = Field(min_length=1, max_length=100)
    success_url: _Url
    cancel_url: _Url | None = None
    client_reference_id: str | None = Field(default=None, min_length=1, max_length=200)
    customer_email: str | None = Field(default=None, min_length=3, max_length=800)
    metadata: Metadata = {}
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
        # Not part of Stripe's object: what the sandbox's own page shows, the payment's own metadata, and when
        # something happens by itself.
        "sandbox": {
            "title": parameters.line_items[0].price_data.product_data.name,
            "payment_metadata": parameters.payment_intent_data.metadata,
            "declines": 0,
            "due": None,
            "disputed": False,
        },
    }


def public(session: dict[str, Any]) -> dict[str, Any]:
    """The session as the API shows it."""
    return {name: value for name, value in session.items() if name != "sandbox"}


def event(kind: str, subject: dict[str, Any], now: int) -> Event:
    """Something that is told: Stripe's event of this kind about this object."""
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
