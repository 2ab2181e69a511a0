"""Every query about payments and their events."""

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from invoices.invoices.models import Invoice
from invoices.payments.lifecycle import UNSETTLED
from invoices.payments.models import Payment, PaymentEvent

__all__ = ["add_event", "by_reference", "last_attempt", "latest", "lock_invoice", "lock_payment", "unsettled"]


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


async def add_event(session: AsyncSession, values: dict[str, Any]) -> PaymentEvent | None:
    """Store an event; None if its id is known. A twin in flight is waited for, and then known."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    statement = dialect.insert(PaymentEvent).values(**values).on_conflict_do_nothing().returning(PaymentEvent)
    return (await session.scalars(statement)).one_or_none()
