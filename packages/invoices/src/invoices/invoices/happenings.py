"""What happens to an invoice: written down once, listed for whoever asks, and called back about."""

from enum import StrEnum
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from invoices.accounts.models import Account
from invoices.invoices import repository
from invoices.invoices.callbacks import InvoiceEvent, invoice_notification
from invoices.invoices.lifecycle import SETTLED, Status
from invoices.invoices.models import Invoice
from ringback import Ringback

__all__ = ["ALWAYS", "BY_SETTING", "Kind", "event_of", "happened", "tell", "wanted"]


class Kind(StrEnum):
    """What can happen to an invoice."""

    RECEIVED = "received"
    SENT = "sent"
    BOUNCED = "bounced"
    OVERDUE = "overdue"
    PAID = "paid"
    FAILED = "failed"
    REFUNDED = "refunded"
    REFUND_FAILED = "refund_failed"
    DISPUTED = "disputed"
    VOIDED = "voided"
    WRITTEN_OFF = "written_off"


ALWAYS: Final = frozenset(
    {Kind.PAID, Kind.FAILED, Kind.REFUNDED, Kind.REFUND_FAILED, Kind.DISPUTED},
)
"""What became of the money: every account is called back about these."""

BY_SETTING: Final = tuple(kind for kind in Kind if kind not in ALWAYS)
"""What an account may ask to be called back about as well."""

# The first is FastAPI's tutorial's own. None of them is ever translated: programs read them.
_WORDS: Final = {
    Kind.PAID: "Payment celebration",
    Kind.RECEIVED: "Invoice received",
    Kind.SENT: "Invoice sent",
    Kind.BOUNCED: "Invoice could not be mailed",
    Kind.OVERDUE: "Payment overdue",
    Kind.FAILED: "Payment failed",
    Kind.REFUNDED: "Payment refunded",
    Kind.REFUND_FAILED: "Refund failed",
    Kind.DISPUTED: "Payment disputed",
    Kind.VOIDED: "Invoice voided",
    Kind.WRITTEN_OFF: "Invoice written off",
}


def wanted(setting: str) -> frozenset[Kind]:
    """What an account with this setting is called back about."""
    return ALWAYS | {Kind(word) for word in setting.split()}


def event_of(kind: Kind, *, paid: bool, description: str | None = None) -> InvoiceEvent:
    """The event as it is called back and listed."""
    return InvoiceEvent(description=description or _WORDS[kind], paid=paid)


async def happened(
    session: AsyncSession,
    ringback: Ringback,
    invoice: Invoice,
    kind: Kind,
    *,
    once: str | None = None,
    description: str | None = None,
) -> bool:
    """Write down what happened, and owe the callback about it, in the transaction that makes it true.

    The invoice is locked, and stands as it does after what happened. `once` names the occasion where the kind
    alone does not: the same one again is neither written nor told, and the answer is False.
    """
    event = event_of(kind, paid=Status(invoice.status) in SETTLED, description=description)
    occasion = once or kind.value
    if not await repository.add_happening(session, invoice.pk, kind.value, occasion, event):
        return False
    if kind in ALWAYS or kind in wanted(await _setting(session, invoice)):
        await tell(session, ringback, invoice, occasion, event)
    return True


async def tell(
    session: AsyncSession, ringback: Ringback, invoice: Invoice, occasion: str, event: InvoiceEvent
) -> None:
    """Owe the API user one callback for each occasion, in the order in which they come."""
    await (
        ringback.to(session, key=invoice.id, owner=invoice.account_id)
        .options(idempotency_key=f"invoice:{invoice.pk}:{occasion}")
        .send(invoice_notification, event)
    )


async def _setting(session: AsyncSession, invoice: Invoice) -> str:
    account = await session.get_one(Account, invoice.account_id)
    return account.callbacks
