"""What a provider's report does to a payment, a refund and their invoice, inside one transaction.

Whoever changes one of them locks the invoice first, then reads and locks the rest, and at the end sums all of
the invoice's payments up anew: what an invoice says of its money always follows from these rows.
"""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from sqlalchemy.ext.asyncio import AsyncSession

from invoices.invoices.happenings import Kind, happened
from invoices.invoices.lifecycle import DUE, Status
from invoices.invoices.models import Invoice
from invoices.invoices.money import provider_units
from invoices.invoices.standing import Collected, stand
from invoices.payments import repository
from invoices.payments.lifecycle import (
    UNSETTLED,
    Expected,
    PaymentState,
    RefundState,
    Report,
    Reported,
    Return,
    differences,
    furthest,
    is_late,
)
from invoices.payments.models import Payment, Refund

if TYPE_CHECKING:
    from ringback import Ringback

__all__ = ["Outcome", "Settlement", "balance", "settle"]

_log = logging.getLogger(__name__)


class Outcome(StrEnum):
    """What came of a report or an event."""

    APPLIED = "applied"
    NO_CHANGE = "no_change"
    DUPLICATE = "duplicate"
    UNRELATED = "unrelated"
    UNKNOWN_PAYMENT = "unknown_payment"
    MISMATCH = "mismatch"
    PARKED = "parked"


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a report changed, and the detail for the operator."""

    outcome: Outcome
    detail: str | None = None


async def settle(session: AsyncSession, ringback: "Ringback", payment: Payment, report: Report) -> Settlement:
    """Apply a report. Money counts only when reference, invoice, amount, currency and mode match."""
    invoice = await repository.lock_invoice(session, payment.invoice_pk)
    payment = await repository.lock_payment(session, payment.pk)
    found = differences(_expected(payment, invoice), report)
    if found.keys() == {"session"} and report.reported is Reported.PAID:
        payment = await _another(session, payment, report)
    elif found:
        return _mismatch(payment, invoice, report, "; ".join(found.values()))
    _note(payment, report)
    before = PaymentState(payment.state)
    payment.state = furthest(before, report.reported)
    if report.reported is Reported.DECLINED:
        changed = _declined(payment, before, report)
    else:
        changed = payment.state is not before
    if not changed and payment.state is not PaymentState.PAID:
        return Settlement(Outcome.NO_CHANGE)
    if payment.state is PaymentState.PAID and changed:
        await _arrived(session, payment, invoice, report)
    await balance(session, ringback, invoice)
    await _tell_failure(session, ringback, invoice, payment, report, before)
    return Settlement(Outcome.APPLIED if changed else Outcome.NO_CHANGE, payment.flag)


async def balance(session: AsyncSession, ringback: "Ringback", invoice: Invoice) -> None:
    """Sum up the payments and refunds of a locked invoice, and let it stand accordingly."""
    payments = await repository.of_invoice(session, invoice.pk)
    paid = [payment for payment in payments if payment.state == PaymentState.PAID]
    refunds = await repository.refunds_of(session, [payment.pk for payment in paid])
    times = [(payment.settled_at, payment.closed_at) for payment in paid]
    money = Collected(
        collected=sum(payment.amount_minor for payment in paid),
        returned=sum(one.amount_minor for one in refunds if one.state == RefundState.SUCCEEDED),
        promised=any(payment.state == PaymentState.PROCESSING for payment in payments),
        late=is_late(times, _late_from(invoice)),
        disputed=any(one.kind == Return.DISPUTE for one in refunds),
        since=min((payment.settled_at for payment in paid if payment.settled_at), default=None),
    )
    await stand(session, ringback, invoice, money)
    for refund in refunds:
        await _tell_refund(session, ringback, invoice, refund)


def _late_from(invoice: Invoice) -> datetime | None:
    if invoice.due_on is None:
        return None
    return datetime.combine(invoice.due_on, time(), UTC) + timedelta(days=1)


def _expected(payment: Payment, invoice: Invoice) -> Expected:
    return Expected(
        reference=payment.reference,
        invoice_id=invoice.id,
        amount=provider_units(payment.amount_minor, payment.currency),
        currency=payment.currency,
        livemode=payment.livemode,
        session_id=payment.session_id,
    )


async def _another(session: AsyncSession, payment: Payment, report: Report) -> Payment:
    """The payment of another session that was paid under this one's name: a payment of its own."""
    assert report.session_id is not None
    known = await repository.by_session(session, report.session_id)
    if known is not None:
        return known
    _log.warning("payment %s was paid through another session too: %s", payment.reference, report.session_id)
    return await repository.add_payment(
        session,
        payment,
        reference=f"{payment.reference}-{report.session_id}"[-64:],
        session_id=report.session_id,
    )


def _mismatch(payment: Payment, invoice: Invoice, report: Report, detail: str) -> Settlement:
    _log.error(
        "payment %s of invoice %r was reported %s but does not match, so nothing is marked paid: %s",
        payment.reference,
        invoice.id,
        report.reported,
        detail,
    )
    if payment.state != PaymentState.PAID:
        payment.flag, payment.flag_detail = "mismatch", detail
        if report.reported is Reported.PAID:
            payment.state = PaymentState.REVIEW
    return Settlement(Outcome.MISMATCH, detail)


def _note(payment: Payment, report: Report) -> None:
    payment.session_id = payment.session_id or report.session_id
    payment.provider_payment = payment.provider_payment or report.provider_payment
    payment.expires_at = report.expires_at or payment.expires_at
    payment.checkout_url = report.url or payment.checkout_url
    if report.reported in (Reported.EXPIRED, Reported.FAILED):
        payment.closed_at = min(payment.closed_at or report.at, report.at)
    if report.reported is Reported.PAID:
        payment.settled_at = min(payment.settled_at or report.at, report.at)


def _declined(payment: Payment, before: PaymentState, report: Report) -> bool:
    if before not in UNSETTLED:
        return False
    payment.declined_at = report.at
    return True


async def _arrived(session: AsyncSession, payment: Payment, invoice: Invoice, report: Report) -> None:
    # The payment intent that has the money; an earlier, declined try may have named another one.
    payment.provider_payment = report.provider_payment or payment.provider_payment
    if payment.provider_payment:
        await repository.adopt_refunds(session, payment)
    payment.flag, payment.flag_detail = _fact(invoice, payment), None
    if payment.flag:
        _log.warning("payment %s of invoice %r is %s", payment.reference, invoice.id, payment.flag)
    _log.info("payment %s of invoice %r has arrived", payment.reference, invoice.id)


def _fact(invoice: Invoice, payment: Payment) -> str | None:
    """What a person should know about money that has arrived."""
    if invoice.paid_minor:
        return "overpaid"
    if invoice.voided_at is not None:
        return "paid_after_void"
    return "paid_late" if is_late([(payment.settled_at, payment.closed_at)], _late_from(invoice)) else None


async def _tell_failure(
    session: AsyncSession,
    ringback: "Ringback",
    invoice: Invoice,
    payment: Payment,
    report: Report,
    before: PaymentState,
) -> None:
    """A payment has failed while the invoice is still owed. A provider tells one final failure twice."""
    if report.reported not in (Reported.DECLINED, Reported.FAILED) or Status(invoice.status) not in DUE:
        return
    final = report.reported is Reported.FAILED or before is PaymentState.PROCESSING
    which = "finally" if final else report.event
    await happened(session, ringback, invoice, Kind.FAILED, once=f"failed:{payment.attempt}:{which}"[:120])


async def _tell_refund(session: AsyncSession, ringback: "Ringback", invoice: Invoice, refund: Refund) -> None:
    """What is known of a refund or a dispute, once for each of them and each end."""
    name, disputed = refund.reference, refund.kind == Return.DISPUTE
    if disputed:
        await happened(session, ringback, invoice, Kind.DISPUTED, once=f"disputed:{name}")
    if refund.state == RefundState.SUCCEEDED:
        words = "Payment taken back after a dispute" if disputed else _REFUND_WORDS.get(invoice.status)
        await happened(session, ringback, invoice, Kind.REFUNDED, once=f"refunded:{name}", description=words)
    elif refund.state == RefundState.FAILED and not disputed:
        await happened(session, ringback, invoice, Kind.REFUND_FAILED, once=f"refund_failed:{name}")


_REFUND_WORDS: Final = {
    Status.PAID: "Overpayment refunded",
    Status.PARTIALLY_REFUNDED: "Payment partially refunded",
}
