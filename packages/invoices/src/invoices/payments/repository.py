"""Every query about payments, refunds and the provider's events."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from invoices.invoices.models import Invoice
from invoices.payments.lifecycle import UNSETTLED, PaymentState
from invoices.payments.models import Payment, PaymentEvent, Refund

__all__ = [
    "add_event",
    "add_payment",
    "add_refund",
    "adopt_refunds",
    "asked_with",
    "by_provider_payment",
    "by_reference",
    "by_session",
    "find_refund",
    "last_attempt",
    "latest",
    "lock_invoice",
    "lock_payment",
    "of_invoice",
    "refund",
    "refunds_of",
    "unsettled",
]


async def lock_invoice(session: AsyncSession, invoice_pk: int) -> Invoice:
    """The invoice as it is now, which nobody else changes until this transaction ends.

    Whoever changes a payment locks its invoice first, so that two transactions never wait for each other.
    """
    return await session.get_one(Invoice, invoice_pk, with_for_update=True, populate_existing=True)


async def lock_payment(session: AsyncSession, payment_pk: int) -> Payment:
    """The payment as it is now, which nobody else changes until this transaction ends."""
    return await session.get_one(Payment, payment_pk, with_for_update=True, populate_existing=True)


async def by_reference(session: AsyncSession, reference: str) -> Payment | None:
    """The payment that the provider knows by this name."""
    return (await session.scalars(select(Payment).where(Payment.reference == reference))).one_or_none()


async def by_session(session: AsyncSession, session_id: str) -> Payment | None:
    """The payment of a checkout session."""
    return (await session.scalars(select(Payment).where(Payment.session_id == session_id))).one_or_none()


async def by_provider_payment(session: AsyncSession, provider_payment: str) -> Payment | None:
    """The payment that the provider collected as this one of its own; that which has arrived, if several."""
    statement = select(Payment).where(Payment.provider_payment == provider_payment)
    found = (await session.scalars(statement.order_by(Payment.pk))).all()
    return next((one for one in found if one.state == PaymentState.PAID), found[0] if found else None)


async def of_invoice(session: AsyncSession, invoice_pk: int) -> Sequence[Payment]:
    """All payments that were begun for an invoice, the first one first."""
    statement = select(Payment).where(Payment.invoice_pk == invoice_pk)
    return (await session.scalars(statement.order_by(Payment.attempt))).all()


async def unsettled(session: AsyncSession, invoice_pk: int) -> Payment | None:
    """The one payment of an invoice through which money may still come."""
    statement = select(Payment).where(Payment.invoice_pk == invoice_pk, Payment.state.in_(UNSETTLED))
    return (await session.scalars(statement)).one_or_none()


async def latest(session: AsyncSession, invoice_pk: int) -> Payment | None:
    """The last payment that was begun for an invoice."""
    statement = select(Payment).where(Payment.invoice_pk == invoice_pk)
    return (await session.scalars(statement.order_by(Payment.attempt.desc()).limit(1))).one_or_none()


async def last_attempt(session: AsyncSession, invoice_pk: int) -> int:
    """How many payments were begun for an invoice."""
    statement = select(func.coalesce(func.max(Payment.attempt), 0)).where(Payment.invoice_pk == invoice_pk)
    return (await session.scalars(statement)).one()


async def add_payment(session: AsyncSession, like: Payment, *, reference: str, session_id: str) -> Payment:
    """Insert a payment of the same invoice and amount, whose session was paid beside the other one."""
    payment = Payment(
        invoice_pk=like.invoice_pk,
        attempt=await last_attempt(session, like.invoice_pk) + 1,
        reference=reference,
        idempotency_key=f"never-{reference}",
        # Not an unsettled one: nobody is sent there.
        state=PaymentState.EXPIRED,
        amount_minor=like.amount_minor,
        currency=like.currency,
        livemode=like.livemode,
        session_id=session_id,
        created_at=datetime.now(UTC),
    )
    session.add(payment)
    await session.flush()
    return payment


async def refunds_of(session: AsyncSession, payment_pks: Sequence[int]) -> Sequence[Refund]:
    """The refunds of these payments, the oldest first."""
    if not payment_pks:
        return []
    statement = select(Refund).where(Refund.payment_pk.in_(payment_pks)).order_by(Refund.pk)
    return (await session.scalars(statement)).all()


async def refund(session: AsyncSession, reference: str) -> Refund | None:
    """A refund by its name."""
    return (await session.scalars(select(Refund).where(Refund.reference == reference))).one_or_none()


async def find_refund(session: AsyncSession, refund_id: str, reference: str | None) -> Refund | None:
    """A refund by the provider's name for it, or by ours."""
    statement = select(Refund).where((Refund.provider_refund == refund_id) | (Refund.reference == reference))
    return (await session.scalars(statement.limit(1))).one_or_none()


async def asked_with(
    session: AsyncSession, account_id: str, key: str, *, since: datetime
) -> Sequence[Refund]:
    """The refunds that an account asked for under an idempotency key, unless that was too long ago."""
    statement = (
        select(Refund)
        .join(Payment, Payment.pk == Refund.payment_pk)
        .join(Invoice, Invoice.pk == Payment.invoice_pk)
        .where(Invoice.account_id == account_id, Refund.request_key == key, Refund.created_at >= since)
    )
    return (await session.scalars(statement.order_by(Refund.pk))).all()


async def add_refund(session: AsyncSession, new: Refund) -> Refund:
    """Insert a refund; the one that is there already where a twin in flight was faster."""
    names = ("payment_pk", "kind", "reference", "request_key", "provider_refund", "provider_payment", "state")
    values = {name: getattr(new, name) for name in (*names, "amount_minor", "currency", "created_at")}
    statement = _insert(session, Refund).values(**values).on_conflict_do_nothing().returning(Refund)
    added = (await session.scalars(statement)).one_or_none()
    if added is None:
        added = await find_refund(session, new.provider_refund or "", new.reference)
    assert added is not None, "what is in the way has one of these names"
    return added


async def adopt_refunds(session: AsyncSession, payment: Payment) -> None:
    """Give a payment the refunds that came to be known before it."""
    await session.execute(
        update(Refund)
        .where(Refund.provider_payment == payment.provider_payment, Refund.payment_pk.is_(None))
        .values(payment_pk=payment.pk),
        execution_options={"synchronize_session": False},
    )


async def add_event(session: AsyncSession, values: dict[str, Any]) -> PaymentEvent | None:
    """Store an event; None if its id is known. A twin in flight is waited for, and then known."""
    statement = (
        _insert(session, PaymentEvent).values(**values).on_conflict_do_nothing().returning(PaymentEvent)
    )
    return (await session.scalars(statement)).one_or_none()


def _insert(session: AsyncSession, table: type[Any]) -> Any:
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    return dialect.insert(table)
