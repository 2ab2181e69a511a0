"""What operators look at in the console: invoices of every account, in bounded time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from invoices.invoices.lifecycle import Status
from invoices.invoices.models import Invoice, InvoiceHappening

__all__ = ["LOOKED_AT", "Leaf", "browse", "find", "happenings_of"]

LOOKED_AT: Final = 100_000
"""So many of the newest invoices are looked through on one page."""
HAPPENINGS: Final = 200


@dataclass(frozen=True, slots=True)
class Leaf:
    """Some invoices, the newest first. `older` is the `pk` to give as `before` for the next, None at the end.

    `is_cut` where more were to be looked through than one page may.
    """

    invoices: Sequence[Invoice]
    older: int | None
    is_cut: bool


async def browse(
    session: AsyncSession,
    *,
    account: str | None = None,
    status: Status | None = None,
    id_: str | None = None,
    before: int | None = None,
    limit: int = 50,
) -> Leaf:
    """The newest invoices that match all that is given, older than the one whose `pk` is `before`."""
    newest = await session.scalar(select(func.max(Invoice.pk))) or 0
    top = newest + 1 if before is None else min(before, newest + 1)
    floor = max(top - LOOKED_AT, 0)
    statement = select(Invoice).where(Invoice.pk < top, Invoice.pk >= floor)
    if account is not None:
        statement = statement.where(Invoice.account_id == account)
    if status is not None:
        statement = statement.where(Invoice.status == status)
    if id_ is not None:
        statement = statement.where(Invoice.id == id_)
    found = (await session.scalars(statement.order_by(Invoice.pk.desc()).limit(limit + 1))).all()
    if len(found) > limit:
        return Leaf(found[:limit], found[limit - 1].pk, is_cut=False)
    is_cut = floor > 1
    return Leaf(found, floor if is_cut else None, is_cut)


async def find(session: AsyncSession, pk: int) -> Invoice | None:
    """One invoice, of whichever account."""
    return await session.get(Invoice, pk)


async def happenings_of(session: AsyncSession, pk: int) -> Sequence[InvoiceHappening]:
    """What happened to an invoice, the latest first."""
    statement = select(InvoiceHappening).where(InvoiceHappening.invoice_pk == pk)
    statement = statement.order_by(InvoiceHappening.sequence.desc()).limit(HAPPENINGS)
    return (await session.scalars(statement)).all()
