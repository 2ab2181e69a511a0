"""The steps of an invoice's life: received, read, paid, voided. Each works in the caller's transaction."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from invoices.accounts.models import Account
from invoices.errors import Conflict, Invalid, NotFound
from invoices.invoices import links, repository
from invoices.invoices.due import schedule
from invoices.invoices.happenings import Kind, event_of, tell, wanted
from invoices.invoices.lifecycle import Action, NotPossible, Status, require
from invoices.invoices.models import Invoice, InvoiceHappening
from invoices.invoices.order import Order
from invoices.invoices.standing import decide, lock
from invoices.mail.service import queue_invoice_mail
from invoices.settings import Settings
from ringback import Callbacks, Ringback

__all__ = [
    "IdConflict",
    "InvoiceNotFound",
    "TransitionRefused",
    "create",
    "get",
    "get_by_token",
    "happenings",
    "page",
    "send",
    "standing_of",
    "standings",
    "void",
    "write_off",
]


class IdConflict(Conflict):
    """Another invoice has this id already."""


class InvoiceNotFound(NotFound):
    """The account has no invoice with this id."""


class TransitionRefused(Conflict):
    """The invoice's status does not allow this."""


async def create(
    session: AsyncSession,
    ringback: Ringback,
    callbacks: Callbacks,
    settings: Settings,
    account: Account,
    order: Order,
    callback_url: str | None,
) -> Invoice:
    """Store the invoice, where to call back about it, and the mails that it owes: all or nothing.

    The same invoice sent again is not stored again; another one under its id raises `IdConflict`.
    """
    account_id = account.id
    created_at = datetime.now(UTC)
    token = links.token_of(settings.server_key, account_id, order.id, created_at)
    invoice = await repository.add(
        session,
        {
            **order.values(),
            "account_id": account_id,
            "status": Status.OPEN,
            "callback_url": callback_url,
            "page_token_hash": links.digest(token),
            "created_at": created_at,
        },
    )
    if invoice is None:
        return await _the_same(session, account_id, order, callback_url)
    await callbacks.bind(session, key=invoice.id, owner=account_id)
    await repository.give_number(session, invoice)
    await queue_invoice_mail(session, ringback, invoice, seller=settings.seller)
    if invoice.due_on is not None:
        invoice.scheduled = await schedule(session, ringback, settings, invoice, invoice.due_on)
    if Kind.RECEIVED in wanted(account.callbacks):
        await tell(session, ringback, invoice, Kind.RECEIVED, event_of(Kind.RECEIVED, paid=False))
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
    return await repository.by_token_hash(session, links.digest(token))


async def standings(session: AsyncSession, pks: Collection[int]) -> dict[int, str]:
    """Where each of these invoices stands, in a word that changes with what its page says."""
    return {row.pk: standing_of(row) for row in await repository.standings(session, pks)}


def standing_of(invoice: Any) -> str:
    """The same of one invoice."""
    return f"{Status(invoice.status).value}.{invoice.paid_minor}.{invoice.refunded_minor}"


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


async def happenings(
    session: AsyncSession, invoice: Invoice, *, after: int, limit: int
) -> Sequence[InvoiceHappening]:
    """What happened to an invoice since it was received, in order, after this position."""
    return await repository.happenings(session, invoice.pk, after=after, limit=limit)


async def send(
    session: AsyncSession, ringback: Ringback, settings: Settings, account_id: str, invoice_id: str
) -> Invoice:
    """Mail an invoice once more that is still owed; raises `TransitionRefused`."""
    invoice = await get(session, account_id, invoice_id)
    await lock(session, invoice)
    _check(invoice, Action.SEND)
    invoice.mail_revision += 1
    invoice.mail_state, invoice.mail_note = "queued", None
    await queue_invoice_mail(
        session, ringback, invoice, seller=settings.seller, revision=invoice.mail_revision
    )
    return invoice


async def void(session: AsyncSession, ringback: Ringback, account_id: str, invoice_id: str) -> Invoice:
    """Withdraw an invoice that nobody has paid; raises `TransitionRefused`."""
    return await _decided(session, ringback, account_id, invoice_id, Action.VOID)


async def write_off(session: AsyncSession, ringback: Ringback, account_id: str, invoice_id: str) -> Invoice:
    """Give up on an invoice that nobody has paid; raises `TransitionRefused`."""
    return await _decided(session, ringback, account_id, invoice_id, Action.WRITE_OFF)


async def _decided(
    session: AsyncSession, ringback: Ringback, account_id: str, invoice_id: str, action: Action
) -> Invoice:
    invoice = await get(session, account_id, invoice_id)
    await lock(session, invoice)
    _check(invoice, action)
    await decide(session, ringback, invoice, action)
    return invoice


def _check(invoice: Invoice, action: Action) -> None:
    try:
        require(Status(invoice.status), action)
    except NotPossible as error:
        raise TransitionRefused(str(error), field="status", place="invoice") from None
