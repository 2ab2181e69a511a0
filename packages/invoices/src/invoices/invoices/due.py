"""What waits for an invoice's due date: reminders by mail, and that it becomes overdue.

Each is a delivery of Ringback's outbox that is held back until its day, stored with the invoice, and
cancelled when the customer owes nothing any more. So nobody has to look through all invoices every night.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from invoices.invoices.happenings import Kind, happened
from invoices.invoices.lifecycle import DUE, Status
from invoices.invoices.models import Invoice
from invoices.mail.service import queue_reminder
from invoices.settings import Settings
from ringback import Delivery, Outcome, Ringback

__all__ = ["CHANNEL", "Overdue", "schedule"]

CHANNEL: Final = "overdue"
"""The channel on which an invoice becomes overdue."""

MORNING: Final = time(9, tzinfo=UTC)
"""When reminders leave."""


async def schedule(
    session: AsyncSession, ringback: Ringback, settings: Settings, invoice: Invoice, due_on: date
) -> list[str]:
    """Owe all that waits for a new invoice's due date; returns the deliveries' ids.

    A reminder whose day is over is left out: the invoice itself has just been sent.
    """
    overdue = await ringback.enqueue(
        session,
        CHANNEL,
        {"invoice": invoice.pk},
        to=f"invoice {invoice.id}",
        key=f"invoice:{invoice.pk}:overdue",
        owner=invoice.account_id,
        not_before=datetime.combine(due_on + timedelta(days=1), time(tzinfo=UTC)),
    )
    ids = [overdue.id]
    if invoice.customer_email is None:
        return ids
    for days in settings.reminders:
        moment = datetime.combine(due_on + timedelta(days=days), MORNING)
        if moment > invoice.created_at:
            reminder = await queue_reminder(
                session, ringback, invoice, seller=settings.seller, days=days, not_before=moment
            )
            ids.append(reminder.id)
    return ids


class _Order(BaseModel):
    model_config = ConfigDict(extra="forbid")

    invoice: int


@dataclass(frozen=True, slots=True)
class Overdue:
    """The handler of the channel: an invoice that is still owed after its due date is overdue from now on."""

    sessions: async_sessionmaker[AsyncSession]
    ringback: Ringback

    async def __call__(self, delivery: Delivery) -> Outcome:
        """Write it down, and owe the callback, once."""
        try:
            pk = _Order.model_validate_json(delivery.body).invoice
        except ValidationError as error:
            return Outcome.dead(f"cannot be read: {error.errors(include_input=False)[0]['msg']}")
        async with self.sessions.begin() as session:
            invoice = await session.get(Invoice, pk, with_for_update=True)
            if invoice is None or Status(invoice.status) not in DUE:
                return Outcome.delivered(f"nothing is owed: {invoice.status if invoice else 'gone'}")
            invoice.overdue_at = invoice.overdue_at or datetime.now(UTC)
            await happened(session, self.ringback, invoice, Kind.OVERDUE)
        return Outcome.delivered("overdue from now on")
