"""Every query about invoices. Each one is limited to one account, or says why it is not."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from invoices.invoices.models import Invoice, StoredAnswer

__all__ = ["add", "add_answer", "answer", "by_token_hash", "forget_answers", "get", "page"]


async def add(session: AsyncSession, values: dict[str, Any]) -> Invoice | None:
    """Insert an invoice; None when its account has one with this id, waiting for a twin in flight."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    statement = dialect.insert(Invoice).values(**values).on_conflict_do_nothing().returning(Invoice)
    return (await session.scalars(statement)).one_or_none()


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
