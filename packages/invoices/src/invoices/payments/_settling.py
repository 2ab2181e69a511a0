"""What a provider's report does to a payment and to its invoice, inside one transaction."""

import logging
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy.ext.asyncio import AsyncSession

from invoices.invoices import service as invoices
from invoices.invoices.lifecycle import Event, Status
from invoices.invoices.models import Invoice
from invoices.payments import repository
from invoices.payments.lifecycle import (
    UNSETTLED,
    Expected,
    PaymentState,
    Report,
    Reported,
    differences,
    furthest,
)
from invoices.payments.models import Payment

if TYPE_CHECKING:
    from ringback import Ringback

__all__ = ["Outcome", "Settlement", "settle"]

_log = logging.getLogger(__name__)


class Outcome(StrEnum):
    """What came of a report or an event."""

    APPLIED = "applied"
    NO_CHANGE = "no_change"
    DUPLICATE = "duplicate"
    UNRELATED = "unrelated"
    UNKNOWN_PAYMENT = "unknown_payment"
    MISMATCH = "mismatch"


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a report changed, and the detail for the operator."""

    outcome: Outcome
    detail: str | None = None


async def settle(session: AsyncSession, ringback: "Ringback", payment: Payment, report: Report) -> Settlement:
    """Apply a report. Money counts only when reference, invoice, amount, currency, mode and session match."""
    invoice = await repository.lock_invoice(session, payment.invoice_pk)
    payment = await repository.lock_payment(session, payment.pk)
    found = differences(_expected(payment, invoice), report)
    if found:
        return _mismatch(payment, invoice, report, "; ".join(found))
    _note(payment, report)
    if report.reported is Reported.DECLINED:
        return _declined(payment, report)
    before = PaymentState(payment.state)
    payment.state = furthest(before, report.reported)
    if payment.state is before:
        return Settlement(Outcome.NO_CHANGE)
    if payment.state is PaymentState.PAID:
        await _paid(session, ringback, payment, invoice, before, report)
    elif payment.state is PaymentState.PROCESSING:
        await _move(session, invoice, Event.PAYMENT_STARTED)
    elif before is PaymentState.PROCESSING:
        await _move(session, invoice, Event.PAYMENT_FAILED)
    return Settlement(Outcome.APPLIED, payment.flag)


def _expected(payment: Payment, invoice: Invoice) -> Expected:
    return Expected(
        reference=payment.reference,
        invoice_id=invoice.id,
        amount=payment.amount_minor,
        currency=payment.currency,
        livemode=payment.livemode,
        session_id=payment.session_id,
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
    payment.provider_payment = report.provider_payment or payment.provider_payment
    payment.expires_at = report.expires_at or payment.expires_at
    payment.checkout_url = report.url or payment.checkout_url


def _declined(payment: Payment, report: Report) -> Settlement:
    if payment.state not in UNSETTLED:
        return Settlement(Outcome.NO_CHANGE)
    payment.declined_at = report.at
    return Settlement(Outcome.APPLIED)


async def _paid(
    session: AsyncSession,
    ringback: "Ringback",
    payment: Payment,
    invoice: Invoice,
    before: PaymentState,
    report: Report,
) -> None:
    payment.settled_at = report.at
    payment.flag = _fact(Status(invoice.status), before)
    if payment.flag:
        _log.warning("payment %s of invoice %r is %s", payment.reference, invoice.id, payment.flag)
    if payment.flag != "overpaid":
        await invoices.mark_paid(session, ringback, invoice, paid_at=report.at)
    _log.info("payment %s of invoice %r has arrived", payment.reference, invoice.id)


def _fact(status: Status, before: PaymentState) -> str | None:
    """What a person should know about money that has arrived."""
    if status in (Status.PAID, Status.REFUNDED):
        return "overpaid"
    if status is Status.VOID:
        return "paid_after_void"
    return "paid_late" if before in (PaymentState.EXPIRED, PaymentState.FAILED) else None


async def _move(session: AsyncSession, invoice: Invoice, event: Event) -> None:
    try:
        await invoices.move(session, invoice, event)
    except invoices.TransitionRefused as error:
        _log.warning("invoice %r stays as it is: %s", invoice.id, error)
