"""The steps of an invoice's life: received, read, paid, voided. Each works in the caller's transaction."""

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncSession

from invoices.errors import Conflict, Invalid, NotFound
from invoices.invoices import money, repository, schemas
from invoices.invoices.callbacks import InvoiceEvent, invoice_notification
from invoices.invoices.lifecycle import Event, NotPossible, Status, after
from invoices.invoices.models import Invoice
from invoices.mail.service import queue_invoice_mail
from invoices.settings import Settings
from ringback import Callbacks, Ringback

__all__ = [
    "IdConflict",
    "InvalidTotal",
    "InvoiceNotFound",
    "TransitionRefused",
    "create",
    "fingerprint",
    "get",
    "get_by_token",
    "link_to",
    "mark_paid",
    "move",
    "page",
    "pay_url",
    "void",
]


class InvalidTotal(Invalid):
    """The total cannot be paid in this currency."""


class IdConflict(Conflict):
    """Another invoice has this id already."""


class InvoiceNotFound(NotFound):
    """The account has no invoice with this id."""


class TransitionRefused(Conflict):
    """The invoice's status does not allow this."""


@dataclass(frozen=True, slots=True)
class Order:
    """A request for an invoice, completed with the service's defaults and checked as a whole."""

    id: str
    title: str | None
    customer: str
    customer_email: str | None
    total_minor: int
    currency: str

    @classmethod
    def of(cls, invoice: schemas.Invoice, default_currency: str) -> "Order":
        """Read the request; raises `InvalidTotal` where the amount has more decimals than the currency."""
        currency = invoice.currency or default_currency
        try:
            total_minor = money.minor_units(invoice.total, currency)
        except money.MoneyError as error:
            raise InvalidTotal(str(error), field="total") from None
        return cls(invoice.id, invoice.title, invoice.customer, invoice.customer_email, total_minor, currency)

    @property
    def content_hash(self) -> str:
        """The same for the same content, however it was written."""
        content = [self.title, self.customer, self.customer_email, self.total_minor, self.currency]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def fingerprint(order: Order, callback_url: str | None) -> str:
    """Tells one request for an invoice from another, for idempotency keys."""
    content = [order.id, order.content_hash, callback_url]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


async def create(
    session: AsyncSession,
    ringback: Ringback,
    callbacks: Callbacks,
    settings: Settings,
    account_id: str,
    order: Order,
    callback_url: str | None,
) -> Invoice:
    """Store the invoice, where to call back about it, and the mail that it owes: all or nothing.

    The same invoice sent again is not stored again; another one under its id raises `IdConflict`.
    """
    invoice = await repository.add(
        session,
        {
            "account_id": account_id,
            "id": order.id,
            "title": order.title,
            "customer": order.customer,
            "customer_email": order.customer_email,
            "total_minor": order.total_minor,
            "currency": order.currency,
            "status": Status.OPEN,
            "callback_url": callback_url,
            "content_hash": order.content_hash,
            "page_token_version": 1,
            "created_at": datetime.now(UTC),
        },
    )
    if invoice is None:
        return await _the_same(session, account_id, order, callback_url)
    invoice.page_token_hash = _digest(_token(settings, invoice))
    await callbacks.bind(session, key=invoice.id, owner=account_id)
    await queue_invoice_mail(session, ringback, invoice, seller=settings.seller)
    return invoice


async def _the_same(
    session: AsyncSession, account_id: str, order: Order, callback_url: str | None
) -> Invoice:
    invoice = await get(session, account_id, order.id)
    if invoice.content_hash != order.content_hash:
        raise IdConflict(
            "there is an invoice with this id and another content; give the new one its own id", field="id"
        )
    if invoice.callback_url != callback_url:
        raise IdConflict(
            "this invoice was sent before with another callback_url, and keeps it",
            field="callback_url",
            place="query",
        )
    return invoice


async def get(session: AsyncSession, account_id: str, invoice_id: str) -> Invoice:
    """An account's invoice; raises `InvoiceNotFound`, also for one of another account."""
    invoice = await repository.get(session, account_id, invoice_id)
    if invoice is None:
        raise InvoiceNotFound("you have no invoice with this id", field="invoice_id", place="path")
    return invoice


async def get_by_token(session: AsyncSession, token: str) -> Invoice | None:
    """The invoice that a hosted page's token opens, or None."""
    return await repository.by_token_hash(session, _digest(token))


async def page(
    session: AsyncSession, account_id: str, *, cursor: str | None, status: Status | None, limit: int
) -> tuple[Sequence[Invoice], str | None]:
    """Some of an account's invoices, newest first, and the cursor of the next ones."""
    before = None
    if cursor is not None:
        last = await repository.get(session, account_id, cursor)
        if last is None:
            raise Invalid("is not a cursor that was given to you", field="cursor", place="query")
        before = last.pk
    rows = await repository.page(session, account_id, before=before, status=status, limit=limit + 1)
    return rows[:limit], rows[limit - 1].id if len(rows) > limit else None


async def mark_paid(
    session: AsyncSession, ringback: Ringback, invoice: Invoice, *, paid_at: datetime
) -> None:
    """The money has arrived: change the status and owe the callback, in the same transaction.

    Saying it again changes nothing and calls nobody again.
    """
    if await move(session, invoice, Event.PAYMENT_ARRIVED) is not Status.PAID or invoice.paid_at:
        return
    invoice.paid_at = paid_at
    await (
        ringback.to(session, key=invoice.id, owner=invoice.account_id)
        .options(idempotency_key=f"invoice:{invoice.pk}:paid")
        .send(invoice_notification, InvoiceEvent(description="Payment celebration", paid=True))
    )


async def move(session: AsyncSession, invoice: Invoice, event: Event) -> Status:
    """Lock the invoice, let the event happen to it and answer its status; raises `TransitionRefused`."""
    await session.refresh(invoice, with_for_update=True)
    try:
        invoice.status = after(invoice.status, event)
    except NotPossible as error:
        raise TransitionRefused(str(error), field="status", place="invoice") from None
    return invoice.status


async def void(session: AsyncSession, account_id: str, invoice_id: str) -> Invoice:
    """Withdraw an invoice that nobody has paid."""
    invoice = await get(session, account_id, invoice_id)
    await move(session, invoice, Event.VOIDED)
    invoice.voided_at = invoice.voided_at or datetime.now(UTC)
    return invoice


def pay_url(settings: Settings, invoice: Invoice) -> str:
    """The link to the invoice's hosted page. Whoever has it may see the invoice and pay it."""
    return f"{settings.site}/pay/{_token(settings, invoice)}"


async def link_to(session: AsyncSession, settings: Settings, pk: int) -> str | None:
    """The same by the invoice's row, for mails that were queued earlier; None where it is gone."""
    invoice = await session.get(Invoice, pk)
    return None if invoice is None else pay_url(settings, invoice)


def _token(settings: Settings, invoice: Invoice) -> str:
    """The token of the invoice's page: by the key that made it, or by the present one for a new invoice."""
    subject = f"pay:{invoice.pk}:{invoice.page_token_version}".encode()
    macs = (hmac.digest(key, subject, "sha256") for key in settings.server_keys)
    tokens = [base64.urlsafe_b64encode(mac).rstrip(b"=").decode() for mac in macs]
    return next((token for token in tokens if _digest(token) == invoice.page_token_hash), tokens[0])


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
