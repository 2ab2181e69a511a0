"""What operators look at in the console: every try to collect an invoice's money, and what went back."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from invoices.payments import repository
from invoices.payments.models import Payment, Refund

__all__ = ["money_of"]


async def money_of(session: AsyncSession, invoice_pk: int) -> tuple[Sequence[Payment], Sequence[Refund]]:
    """The payments of an invoice, and the refunds and disputes of these."""
    payments = await repository.of_invoice(session, invoice_pk)
    return payments, await repository.refunds_of(session, [payment.pk for payment in payments])
