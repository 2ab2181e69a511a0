"""Queues mails in the caller's transaction: a mail goes out if, and only if, that transaction commits."""

from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncSession

from invoices.invoices.models import Invoice
from invoices.mail.letter import QueuedLetter
from invoices.pdf import InvoicePdf
from ringback import Ringback

UNADDRESSED = "unaddressed"
"""The destination, as the console shows it, of a mail to a customer whose address nobody gave."""


def mail_key(invoice: Invoice, revision: int = 1) -> str:
    """The key of an invoice's mail among its account's deliveries. By `pk`: an `id` may fill a key alone."""
    return f"invoice:{invoice.pk}:sent:{revision}"


async def queue_invoice_mail(
    session: AsyncSession, ringback: Ringback, invoice: Invoice, *, seller: str = "", revision: int = 1
) -> None:
    """Owes the customer the invoice by mail, in the words and amounts that hold now.

    Sending the same invoice again is a new `revision`, and so a new mail; within one revision every attempt
    carries the same Message-ID, and queueing it twice sends it once. Never commits.
    """
    letter = QueuedLetter(
        document=InvoicePdf.of(invoice, seller=seller),
        invoice=invoice.pk,
        reference=mail_key(invoice, revision),
        queued_at=int(datetime.now(UTC).timestamp()),
        to=invoice.customer_email,
    )
    await ringback.enqueue(
        session,
        "mail",
        letter.payload(),
        to=invoice.customer_email or UNADDRESSED,
        key=letter.reference,
        owner=invoice.account_id,
    )
