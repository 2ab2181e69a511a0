"""Every query about accounts and API keys."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, exists, func, literal, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from invoices.accounts.models import Account, ApiKey

__all__ = ["add", "add_key", "any_key", "get", "key", "keys_of", "listed", "note_uses", "open_mode"]


# Asked at every request, so made once: building a statement takes longer than running it.
_KEY: Final = select(ApiKey, Account).join(Account).where(ApiKey.prefix == bindparam("prefix"))
_OPEN_MODE: Final = (
    select(exists(select(ApiKey)), Account)
    .select_from(select(literal(1).label("one")).subquery())
    .outerjoin(Account, Account.id == bindparam("account_id"))
)


async def add(session: AsyncSession, account_id: str, created_at: datetime) -> bool:
    """Insert an account; False when there is one of this name."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    statement = (
        dialect.insert(Account)
        .values(id=account_id, created_at=created_at)
        .on_conflict_do_nothing()
        .returning(Account.id)
    )
    return (await session.scalars(statement)).one_or_none() is not None


async def get(session: AsyncSession, account_id: str) -> Account | None:
    """The account of this name."""
    return await session.get(Account, account_id)


async def listed(session: AsyncSession) -> Sequence[tuple[Account, int]]:
    """Every account by name, with its number of keys that work."""
    keys = (
        select(func.count())
        .where(ApiKey.account_id == Account.id, ApiKey.revoked_at.is_(None))
        .correlate(Account)
        .scalar_subquery()
    )
    return [
        (account, count)
        for account, count in await session.execute(select(Account, keys).order_by(Account.id))
    ]


async def add_key(session: AsyncSession, row: ApiKey) -> None:
    """Insert a key."""
    session.add(row)
    await session.flush()


async def key(session: AsyncSession, prefix: str) -> tuple[ApiKey, Account] | None:
    """The key with this prefix, and its account."""
    row = (await session.execute(_KEY, {"prefix": prefix})).one_or_none()
    return None if row is None else (row[0], row[1])


async def keys_of(session: AsyncSession, account_id: str) -> Sequence[ApiKey]:
    """An account's keys, the oldest first, those that were revoked too."""
    statement = select(ApiKey).where(ApiKey.account_id == account_id)
    return (await session.scalars(statement.order_by(ApiKey.created_at, ApiKey.prefix))).all()


async def note_uses(session: AsyncSession, uses: Mapping[str, datetime]) -> None:
    """Store when keys were last used, by their prefixes; a later time that is stored stays."""
    # In one order everywhere, so that two processes never wait for each other.
    for prefix, used_at in sorted(uses.items()):
        earlier = or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at < used_at)
        statement = update(ApiKey).where(ApiKey.prefix == prefix, earlier).values(last_used_at=used_at)
        await session.execute(statement, execution_options={"synchronize_session": False})


async def open_mode(session: AsyncSession, account_id: str) -> tuple[bool, Account | None]:
    """Whether no key was ever made, and the account of whoever then calls."""
    closed, account = (await session.execute(_OPEN_MODE, {"account_id": account_id})).one()
    return not closed, account


async def any_key(session: AsyncSession) -> bool:
    """Whether a key was ever made: from then on the service is closed to whoever has none."""
    return bool(await session.scalar(select(exists(select(ApiKey)))))
