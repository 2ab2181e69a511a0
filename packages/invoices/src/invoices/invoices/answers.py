"""Rows, as the API's document shows them."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from invoices.errors import Invalid
from invoices.invoices import money, schemas, service
from invoices.invoices.deliveries import delivery_of
from invoices.invoices.happenings import Kind, event_of
from invoices.invoices.lines import add_up, read_lines
from invoices.invoices.links import pay_url
from invoices.invoices.models import Invoice
from invoices.invoices.standing import facts
from invoices.settings import Settings
from ringback import Ringback

__all__ = ["detail_of", "events_of", "state_of"]


def state_of(row: Invoice, settings: Settings) -> dict[str, Any]:
    """The values of `InvoiceState`."""
    return {
        "id": row.id,
        "number": row.number,
        "title": row.title,
        "customer": row.customer,
        "customer_email": row.customer_email,
        "customer_address": row.customer_address,
        "total": money.amount_of(row.total_minor, row.currency),
        "amount_paid": money.amount_of(row.paid_minor - row.refunded_minor, row.currency),
        "amount_refunded": money.amount_of(row.refunded_minor, row.currency),
        "currency": row.currency,
        "due_on": row.due_on,
        "notes": row.notes,
        "language": row.language,
        "status": row.status,
        "facts": facts(row),
        "mail": _mail(row),
        "pay_url": pay_url(settings, row),
        "callback_url": row.callback_url,
        "created_at": row.created_at,
        "paid_at": row.paid_at,
        "voided_at": row.voided_at,
    }


def _mail(row: Invoice) -> dict[str, Any]:
    state = row.mail_state if row.customer_email else "unaddressed"
    return {"state": state, "note": row.mail_note, "revision": row.mail_revision}


async def detail_of(
    row: Invoice, session: AsyncSession, settings: Settings, ringback: Ringback
) -> schemas.InvoiceDetail:
    """An invoice in full, and what became of its callbacks."""
    reports = await ringback.deliveries(session, owner=row.account_id, key=row.id)
    now = datetime.now(UTC)
    deliveries = [
        delivery_of(report, now) for report in reports if report.callback is not None and report.key == row.id
    ]
    return schemas.InvoiceDetail(**state_of(row, settings), **_priced(row), deliveries=deliveries)


async def events_of(
    session: AsyncSession, account_id: str, invoice_id: str, *, cursor: str | None, limit: int
) -> schemas.EventPage:
    """What happened to an invoice after the cursor.

    That it was received is what its own row says: nothing else is written when an invoice is created.
    """
    after = -1 if cursor is None else _position(cursor)
    row = await service.get(session, account_id, invoice_id)
    events = []
    if after < 0:
        received = event_of(Kind.RECEIVED, paid=False)
        events.append(
            schemas.ListedEvent(
                **received.model_dump(), kind=Kind.RECEIVED, cursor="0", created_at=row.created_at
            )
        )
    for one in await service.happenings(session, row, after=max(after, 0), limit=limit - len(events)):
        events.append(
            schemas.ListedEvent(
                description=one.description,
                paid=one.paid,
                kind=Kind(one.kind),
                cursor=str(one.sequence),
                created_at=one.created_at,
            )
        )
    return schemas.EventPage(events=events, next_cursor=events[-1].cursor if events else cursor)


def _position(cursor: str) -> int:
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 9):
        raise Invalid("is not a cursor that was given to you", field="cursor", place="query")
    return int(cursor)


def _priced(row: Invoice) -> dict[str, Any]:
    lines = read_lines(row.lines)
    sums = add_up(lines, money.EXPONENTS[row.currency])
    return {
        "lines": [
            schemas.PricedLine(
                description=line.description,
                quantity=line.quantity,
                unit_price=line.unit_price,
                tax_rate=line.tax_rate,
                amount=money.amount_of(amount, row.currency),
            )
            for line, amount in zip(lines, sums.amounts, strict=True)
        ],
        "taxes": [
            schemas.TaxSum(
                rate=tax.rate,
                base=money.amount_of(tax.base, row.currency),
                amount=money.amount_of(tax.amount, row.currency),
            )
            for tax in sums.taxes
        ],
    }
