"""Every query about invoices. Each one is limited to one account, or says why it is not."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from sqlalchemy import bindparam, delete, func, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.attributes import set_committed_value

from invoices.invoices.callbacks import InvoiceEvent
from invoices.invoices.models import Invoice, InvoiceHappening, InvoiceNumber, StoredAnswer

__all__ = [
    "add",
    "add_answer",
    "add_happening",
    "answer",
    "by_token_hash",
    "forget_answers",
    "get",
    "give_number",
    "happenings",
    "page",
    "standings",
]


async def add(session: AsyncSession, values: Mapping[str, Any]) -> Invoice | None:
    """Insert an invoice; None when its account has one with this id, waiting for a twin in flight."""
    statement = _adding(_dialect(session))
    return (await session.scalars(statement, {**values, "number_of": values["account_id"]})).one_or_none()


@cache
def _adding(dialect: Any) -> Any:
    # Made once: building a statement takes longer than running it.
    statement = dialect.insert(Invoice)
    if dialect is sqlite:
        mine = Invoice.account_id == bindparam("number_of")
        following = select(func.coalesce(func.max(Invoice.number), 0) + 1).where(mine)
        statement = statement.values(number=following.scalar_subquery())
    names = [Invoice.account_id, Invoice.id]
    return statement.on_conflict_do_nothing(index_elements=names).returning(Invoice)


async def give_number(session: AsyncSession, invoice: Invoice) -> None:
    """Give a new invoice its account's next number, which a rollback takes back, so that none is left out.

    Where several transactions write at once they queue for the number until they end: so it comes late in
    the transaction. Where there is one writer, the invoice has it since it was added.
    """
    if _has_one_writer(session):
        return
    taken = await session.execute(_NUMBERING, {"of": invoice.account_id, "invoice_pk": invoice.pk})
    set_committed_value(invoice, "number", taken.scalar_one())


def _numbering() -> Any:
    taken = (
        postgresql.insert(InvoiceNumber)
        .values(account_id=bindparam("of"), last=1)
        .on_conflict_do_update(
            index_elements=[InvoiceNumber.account_id], set_={"last": InvoiceNumber.last + 1}
        )
        .returning(InvoiceNumber.last)
        .cte("taken")
    )
    return (
        update(Invoice)
        .where(Invoice.pk == bindparam("invoice_pk"))
        .values(number=select(taken.c.last).scalar_subquery())
        .returning(Invoice.number)
        .execution_options(synchronize_session=False)
        .add_cte(taken)
    )


_NUMBERING: Final = _numbering()


def _has_one_writer(session: AsyncSession) -> bool:
    return session.get_bind().dialect.name == "sqlite"


def _dialect(session: AsyncSession) -> Any:
    return sqlite if _has_one_writer(session) else postgresql


async def get(session: AsyncSession, account_id: str, invoice_id: str) -> Invoice | None:
    """An account's invoice by its id."""
    # PostgreSQL has no text with a NUL in it, and would fail instead of finding nothing.
    if "\0" in invoice_id:
        return None
    statement = select(Invoice).where(Invoice.account_id == account_id, Invoice.id == invoice_id)
    return (await session.scalars(statement)).one_or_none()


async def by_token_hash(session: AsyncSession, digest: str) -> Invoice | None:
    """The invoice of a hosted page; the token itself is the right to see it, whatever the account."""
    return (await session.scalars(select(Invoice).where(Invoice.page_token_hash == digest))).one_or_none()


async def page(
    session: AsyncSession, account_id: str, *, before: int | None, status: str | None, limit: int
) -> Sequence[Invoice]:
    """An account's invoices, newest first, older than the one whose `pk` is `before`."""
    statement = select(Invoice).where(Invoice.account_id == account_id)
    if before is not None:
        statement = statement.where(Invoice.pk < before)
    if status is not None:
        statement = statement.where(Invoice.status == status)
    return (await session.scalars(statement.order_by(Invoice.pk.desc()).limit(limit))).all()


async def standings(session: AsyncSession, pks: Collection[int]) -> Sequence[Any]:
    """Status and money of these invoices, of any account: whoever asks has their links."""
    columns = (Invoice.pk, Invoice.status, Invoice.paid_minor, Invoice.refunded_minor)
    return (await session.execute(select(*columns).where(Invoice.pk.in_(pks)))).all()


async def add_happening(
    session: AsyncSession, invoice_pk: int, kind: str, once: str, event: InvoiceEvent
) -> bool:
    """Write down what happened to a locked invoice; False when this occasion is written down already."""
    mine = InvoiceHappening.invoice_pk == invoice_pk
    following = select(func.coalesce(func.max(InvoiceHappening.sequence), 0) + 1).where(mine)
    statement = (
        _dialect(session)
        .insert(InvoiceHappening)
        .values(
            invoice_pk=invoice_pk,
            sequence=following.scalar_subquery(),
            kind=kind,
            once=once,
            description=event.description,
            paid=event.paid,
            created_at=datetime.now(UTC),
        )
        .on_conflict_do_nothing(index_elements=[InvoiceHappening.invoice_pk, InvoiceHappening.once])
        .returning(InvoiceHappening.sequence)
    )
    return (await session.scalars(statement)).one_or_none() is not None


async def happenings(
    session: AsyncSession, invoice_pk: int, *, after: int, limit: int
) -> Sequence[InvoiceHappening]:
    """What happened to an invoice, in order, from the one after this sequence on."""
    statement = select(InvoiceHappening).where(
        InvoiceHappening.invoice_pk == invoice_pk, InvoiceHappening.sequence > after
    )
    return (await session.scalars(statement.order_by(InvoiceHappening.sequence).limit(limit))).all()


async def answer(
    session: AsyncSession, account_id: str, key: str, *, not_before: datetime
) -> StoredAnswer | None:
    """The answer kept under an idempotency key, unless it is too old."""
    statement = select(StoredAnswer).where(
        StoredAnswer.account_id == account_id,
        StoredAnswer.key == key,
        StoredAnswer.created_at >= not_before,
    )
    return (await session.scalars(statement)).one_or_none()


async def add_answer(session: AsyncSession, stored: StoredAnswer) -> None:
    """Keep an answer, in the place of one that has become useless."""
    await session.execute(
        delete(StoredAnswer).where(
            StoredAnswer.account_id == stored.account_id, StoredAnswer.key == stored.key
        ),
        execution_options={"synchronize_session": False},
    )
    session.add(stored)
    await session.flush()


async def forget_answers(session: AsyncSession, *, not_before: datetime, limit: int = 100) -> None:
    """Delete some answers of any account that are too old, passing over those that another one deletes."""
    names = tuple_(StoredAnswer.account_id, StoredAnswer.key)
    old = (
        select(StoredAnswer.account_id, StoredAnswer.key)
        .where(StoredAnswer.created_at < not_before)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    await session.execute(
        delete(StoredAnswer).where(names.in_(old)), execution_options={"synchronize_session": False}
    )
