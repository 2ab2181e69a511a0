"""What a payment and a refund go through, and what counts as what was asked for. Pure rules, no I/O."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

__all__ = [
    "UNSETTLED",
    "Expected",
    "PaymentState",
    "RefundState",
    "Report",
    "Reported",
    "Return",
    "Returned",
    "differences",
    "furthest",
    "furthest_refund",
    "is_late",
]


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
    PaymentState.FAILED: 4,
    PaymentState.REVIEW: 5,
    PaymentState.PAID: 6,
}


class RefundState(StrEnum):
    """Where one refund stands.

    `requested` is asked for at the provider, and its answer is not stored yet; `pending` was accepted there.
    A bank may still send back what had succeeded, so `failed` comes last.
    """

    REQUESTED = "requested"
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


_REFUND_RANK: Final = {state: rank for rank, state in enumerate(RefundState)}


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
    `at` is the provider's time, `event` the id of the event that says so, None where the provider was asked.
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
    event: str | None = None


class Return(StrEnum):
    """Why money goes back: somebody here refunds it, or the customer's bank disputes the payment."""

    REFUND = "refund"
    DISPUTE = "dispute"


@dataclass(frozen=True, slots=True)
class Returned:
    """The provider's word about money that goes back, or may: one refund, or one dispute.

    `reference` is our name for the refund, None where it was not we who asked for it. `amount` counts the
    provider's units. A dispute is `pending` until it is lost (`succeeded`) or won (`failed`).
    """

    kind: Return
    id: str
    reference: str | None
    provider_payment: str
    state: RefundState
    amount: int
    currency: str
    at: datetime
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Expected:
    """What a report about a payment must say; `session_id` is None as long as none is stored."""

    reference: str
    invoice_id: str
    amount: int
    currency: str
    livemode: bool
    session_id: str | None


def differences(expected: Expected, report: Report) -> dict[str, str]:
    """Where a report does not match the payment, by name and in words for the operator."""
    compared = [
        ("reference", expected.reference, report.reference),
        ("invoice", expected.invoice_id, report.invoice_id),
        ("amount", expected.amount, report.amount),
        ("currency", expected.currency, report.currency),
        ("livemode", expected.livemode, report.livemode),
    ]
    if expected.session_id is not None and report.session_id is not None:
        compared.append(("session", expected.session_id, report.session_id))
    return {name: f"{name} is {said!r}, not {asked!r}" for name, asked, said in compared if said != asked}


def furthest(state: PaymentState, reported: Reported) -> PaymentState:
    """The state after a report: the one it claims, unless the payment has come further already."""
    claimed = _CLAIMS[reported]
    return claimed if _RANK[claimed] > _RANK[state] else state


def furthest_refund(state: RefundState, claimed: RefundState) -> RefundState:
    """The same for a refund."""
    return claimed if _REFUND_RANK[claimed] > _REFUND_RANK[state] else state


def is_late(payments: Iterable[tuple[datetime | None, datetime | None]], due: datetime | None) -> bool:
    """Whether money came after the invoice was due, or through a checkout that had ended by then.

    `payments` are the times at which each payment was settled and its checkout closed; `due` is the first
    moment at which the money is late. By the provider's times, so that the order of its events is no matter.
    """
    came = [(settled, closed) for settled, closed in payments if settled is not None]
    if any(closed is not None and settled >= closed for settled, closed in came):
        return True
    return bool(came) and due is not None and min(settled for settled, _closed in came) >= due
