"""What a payment goes through, and what counts as the payment that was asked for. Pure rules, no I/O."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

__all__ = ["Expected", "PaymentState", "Report", "Reported", "differences", "furthest"]


class PaymentState(StrEnum):
    """Where one payment stands.

    `starting` is asked for at the provider, and its answer is not stored yet; `open` waits for the customer;
    `processing` was promised and has not arrived; `review` was paid in a way that does not match the invoice.
    """

    STARTING = "starting"
    OPEN = "open"
    PROCESSING = "processing"
    EXPIRED = "expired"
    FAILED = "failed"
    REVIEW = "review"
    PAID = "paid"


UNSETTLED: Final = (PaymentState.STARTING, PaymentState.OPEN, PaymentState.PROCESSING)
"""The states in which money may still come; an invoice has at most one payment in them."""

# Providers repeat events and mix up their order: a report moves a payment forward or not at all.
_RANK: Final = {
    PaymentState.STARTING: 0,
    PaymentState.OPEN: 1,
    PaymentState.PROCESSING: 2,
    PaymentState.EXPIRED: 3,
    PaymentState.FAILED: 3,
    PaymentState.REVIEW: 4,
    PaymentState.PAID: 5,
}


class Reported(StrEnum):
    """What a provider says about a payment. `declined` leaves its checkout open for another try."""

    OPEN = "open"
    PROCESSING = "processing"
    DECLINED = "declined"
    EXPIRED = "expired"
    FAILED = "failed"
    PAID = "paid"


_CLAIMS: Final = {
    Reported.OPEN: PaymentState.OPEN,
    Reported.DECLINED: PaymentState.OPEN,
    Reported.PROCESSING: PaymentState.PROCESSING,
    Reported.EXPIRED: PaymentState.EXPIRED,
    Reported.FAILED: PaymentState.FAILED,
    Reported.PAID: PaymentState.PAID,
}


@dataclass(frozen=True, slots=True)
class Report:
    """The provider's word about one payment, from a verified event or from asking.

    `reference` is our name for the payment, None where the provider speaks of something that is not ours.
    `amount` counts minor units; `session_id` is None where the report is not about a checkout session.
    `at` is the provider's time.
    """

    reported: Reported
    reference: str | None
    invoice_id: str | None
    amount: int
    currency: str
    livemode: bool
    at: datetime
    session_id: str | None = None
    url: str | None = None
    expires_at: datetime | None = None
    provider_payment: str | None = None


@dataclass(frozen=True, slots=True)
class Expected:
    """What a report about a payment must say; `session_id` is None as long as none is stored."""

    reference: str
    invoice_id: str
    amount: int
    currency: str
    livemode: bool
    session_id: str | None


def differences(expected: Expected, report: Report) -> list[str]:
    """Where a report does not match the payment, in words for the operator; empty when it does."""
    compared = [
        ("reference", expected.reference, report.reference),
        ("invoice", expected.invoice_id, report.invoice_id),
        ("amount", expected.amount, report.amount),
        ("currency", expected.currency, report.currency),
        ("livemode", expected.livemode, report.livemode),
    ]
    if expected.session_id is not None and report.session_id is not None:
        compared.append(("session", expected.session_id, report.session_id))
    return [f"{name} is {said!r}, not {asked!r}" for name, asked, said in compared if said != asked]


def furthest(state: PaymentState, reported: Reported) -> PaymentState:
    """The state after a report: the one it claims, unless the payment has come further already."""
    claimed = _CLAIMS[reported]
    return claimed if _RANK[claimed] > _RANK[state] else state
