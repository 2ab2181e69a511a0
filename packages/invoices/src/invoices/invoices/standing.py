"""Brings an invoice's row up to date with what is known: the only place that writes its status."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncSession

from invoices.invoices.happenings import Kind, happened
from invoices.invoices.lifecycle import (
    DUE,
    NEXT,
    Action,
    Decision,
    Fact,
    Known,
    Money,
    Status,
    facts_of,
    require,
    status_of,
)
from invoices.invoices.models import Invoice
from ringback import Ringback

__all__ = ["Collected", "decide", "facts", "lock", "stand"]


@dataclass(frozen=True, slots=True)
class Collected:
    """What the payments of an invoice come to, in minor units.

    `since` is when the first of the money came. `late` and `disputed` are what `facts_of` asks for.
    """

    collected: int = 0
    returned: int = 0
    promised: bool = False
    late: bool = False
    disputed: bool = False
    since: datetime | None = None


async def lock(session: AsyncSession, invoice: Invoice) -> None:
    """Read the invoice again; nobody else changes it until this transaction ends."""
    await session.refresh(invoice, with_for_update=True)


async def stand(session: AsyncSession, ringback: Ringback, invoice: Invoice, money: Collected) -> Status:
    """Set what the invoice's payments come to, and all that follows from it. The invoice is locked.

    Saying the same again changes nothing and calls nobody again.
    """
    known = Known(invoice.total_minor, money.collected, money.returned, money.promised, _decision_of(invoice))
    before, status = Status(invoice.status), _move(invoice, known)
    invoice.paid_minor, invoice.refunded_minor = money.collected, money.returned
    found = facts_of(known, late=money.late, disputed=money.disputed)
    invoice.facts = " ".join(fact.value for fact in found)
    if known.money is not Money.NONE:
        invoice.paid_at = invoice.paid_at or money.since
    if status is before:
        return status
    if status is Status.PAID:
        await happened(session, ringback, invoice, Kind.PAID)
    await _end_waiting(session, ringback, invoice)
    return status


def facts(invoice: Invoice) -> list[Fact]:
    """The facts of an invoice."""
    return [Fact(word) for word in invoice.facts.split()]


async def decide(session: AsyncSession, ringback: Ringback, invoice: Invoice, action: Action) -> None:
    """Void a locked invoice, or write it off; the same again changes nothing. Raises `NotPossible`."""
    before = Status(invoice.status)
    require(before, action)
    now = datetime.now(UTC)
    if action is Action.VOID:
        invoice.voided_at, kind = invoice.voided_at or now, Kind.VOIDED
    else:
        invoice.written_off_at, kind = invoice.written_off_at or now, Kind.WRITTEN_OFF
    if _move(invoice, Known(invoice.total_minor, decision=_decision_of(invoice))) is before:
        return
    await happened(session, ringback, invoice, kind)
    await _end_waiting(session, ringback, invoice)


def _move(invoice: Invoice, known: Known) -> Status:
    before, status = Status(invoice.status), status_of(known)
    assert status is before or status in NEXT[before], f"{before} is never followed by {status}"
    invoice.status = status
    return status


def _decision_of(invoice: Invoice) -> Decision:
    if invoice.voided_at is not None:
        return Decision.VOID
    return Decision.NONE if invoice.written_off_at is None else Decision.WRITTEN_OFF


async def _end_waiting(session: AsyncSession, ringback: Ringback, invoice: Invoice) -> None:
    """Cancel what waits for a date, once the customer owes nothing any more."""
    if Status(invoice.status) in DUE or not invoice.scheduled:
        return
    for delivery_id in invoice.scheduled:
        await ringback.cancel(session, delivery_id)
    invoice.scheduled = None
