"""Queues mails in the caller's transaction: a mail goes out if, and only if, that transaction commits."""

from datetime import UTC, datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from invoices.invoices.models import Invoice
from invoices.mail.letter import LetterKind, QueuedLetter
from invoices.pdf import InvoicePdf
from ringback import Delivery, Ringback

UNADDRESSED: Final = "unaddressed"
"""The destination, as the console shows it, of a mail to a customer whose address nobody gave."""


def mail_key(invoice: Invoice, revision: int = 1) -> str:
    """The key of an invoice's mail among its account's deliveries. By `pk`: an `id` may fill a key alone."""
    return f"invoice:{invoice.pk}:sent:{revision}"


def reminder_key(invoice: Invoice, days: int) -> str:
    """The key of the reminder that leaves so many days after the due date; below zero, before it."""
    return f"invoice:{invoice.pk}:reminder:{days}"


def kind_of_mail(key: str | None) -> str:
    """What a mail with this key is, in an operator's words."""
    *_, kind, figure = ["", "", *(key or "").rsplit(":", 2)]
    if kind == "sent":
        return "Invoice by mail" if figure == "1" else f"Invoice by mail, sent again ({figure})"
    if kind != "reminder":
        return "Mail"
    if figure == "0":
        return "Reminder on the due date"
    days, side = abs(int(figure)), "before" if figure.startswith("-") else "after"
    return f"Reminder {days} day{'' if days == 1 else 's'} {side} the due date"


async def queue_invoice_mail(
    session: AsyncSession, ringback: Ringback, invoice: Invoice, *, seller: str = "", revision: int = 1
) -> None:
    """Owes the customer the invoice by mail, in the words and amounts that hold now.

    Sending the same invoice again is a new `revision`, and so a new mail; within one revision every attempt
    carries the same Message-ID, and queueing it twice sends it once. Never commits.
    """
    await _queue(session, ringback, invoice, seller, mail_key(invoice, revision), LetterKind.INVOICE)


async def queue_reminder(
    session: AsyncSession,
    ringback: Ringback,
    invoice: Invoice,
    *,
    seller: str = "",
    days: int,
    not_before: datetime,
) -> Delivery:
    """Owes the customer a reminder, which leaves at a certain time if the invoice is still owed then."""
    kind = LetterKind.OVERDUE if days > 0 else LetterKind.REMINDER
    return await _queue(
        session, ringback, invoice, seller, reminder_key(invoice, days), kind, not_before=not_before
    )


async def _queue(
    session: AsyncSession,
    ringback: Ringback,
    invoice: Invoice,
    seller: str,
    key: str,
    kind: LetterKind,
    *,
    not_before: datetime | None = None,
) -> Delivery:
    moment = not_before or datetime.now(UTC)
    letter = QueuedLetter(
        document=InvoicePdf.of(invoice, seller=seller),
        invoice=invoice.pk,
        reference=key,
        queued_at=int(moment.timestamp()),
        to=invoice.customer_email,
        kind=kind,
    )
    return await ringback.enqueue(
        session,
        "mail",
        letter.payload(),
        to=invoice.customer_email or UNADDRESSED,
        key=letter.reference,
        owner=invoice.account_id,
        not_before=not_before,
    )
