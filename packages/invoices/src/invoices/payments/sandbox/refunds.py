"""A refund of the sandbox, in the shape of Stripe's object."""

import secrets
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from invoices.payments.sandbox.ledger import Event
from invoices.payments.sandbox.sessions import Metadata, event

__all__ = ["CreateRefund", "RefundRefused", "new_refund"]


class RefundRefused(Exception):
    """A refund that Stripe would not make; `code` is its error code."""

    def __init__(self, message: str, *, code: str | None = None, param: str | None = None) -> None:
        self.code = code
        self.param = param
        super().__init__(message)


class CreateRefund(BaseModel):
    """The parameters of ``POST /v1/refunds`` that the sandbox knows; it refuses the rest."""

    model_config = ConfigDict(extra="forbid")

    payment_intent: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    amount: int | None = Field(default=None, ge=1)
    metadata: Metadata = {}


def new_refund(
    parameters: CreateRefund, session: dict[str, Any] | None, earlier: list[dict[str, Any]], *, now: int
) -> tuple[dict[str, Any], list[Event]]:
    """A refund of a paid session's payment, and what is told of it. Raises `RefundRefused`."""
    intent = parameters.payment_intent
    if session is None:
        raise RefundRefused(
            f"No such payment_intent: {intent[:80]!r}", code="resource_missing", param="payment_intent"
        )
    if session["payment_status"] != "paid":
        raise RefundRefused(f"This PaymentIntent ({intent}) does not have a successful charge to refund.")
    left = session["amount_total"] - sum(refund["amount"] for refund in earlier)
    if left <= 0:
        raise RefundRefused(
            "The charge of this payment has already been refunded.", code="charge_already_refunded"
        )
    amount = left if parameters.amount is None else parameters.amount
    if amount > left:
        raise RefundRefused(
            f"The refund ({amount}) is greater than what is left of the payment ({left}).", param="amount"
        )
    refund = {
        "id": f"re_{secrets.token_hex(12)}",
        "object": "refund",
        "amount": amount,
        "created": now,
        "currency": session["currency"],
        "failure_reason": None,
        "metadata": parameters.metadata,
        "payment_intent": intent,
        "reason": None,
        "status": "succeeded",
    }
    return refund, [event("refund.created", refund, now)]
