"""The `Idempotency-Key` header: the same request sent again gets the answer that it had, for 24 hours."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from fastapi import Header
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from invoices.errors import Conflict, Invalid
from invoices.invoices import repository
from invoices.invoices.answer_seal import AnswerSeal
from invoices.invoices.models import StoredAnswer

__all__ = ["IdempotencyKey", "KeyInUse", "KeyReused", "KeysInUse", "Once"]

LIFETIME: Final = timedelta(hours=24)

IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="Your own word for this request. Sent again within 24 hours, it gets the same answer.",
    ),
]


class KeyReused(Invalid):
    """The idempotency key belongs to another request."""


class KeyInUse(Conflict):
    """A request with this idempotency key is being worked on."""


class KeysInUse:
    """The keys of the requests that this process is working on now."""

    def __init__(self) -> None:
        self._keys: set[tuple[str, str]] = set()

    @asynccontextmanager
    async def hold(self, account_id: str, key: str | None) -> AsyncIterator[None]:
        """Have the key to oneself; raises `KeyInUse` where a twin has it."""
        if key is None:
            yield
            return
        name = (account_id, key)
        if name in self._keys:
            raise _in_use()
        self._keys.add(name)
        try:
            yield
        finally:
            self._keys.discard(name)


@dataclass(frozen=True, slots=True)
class Once:
    """One request with its key, or without one, in the transaction that does its work."""

    session: AsyncSession
    account_id: str
    key: str | None
    request_hash: str
    seal: AnswerSeal

    async def answer(self) -> str | None:
        """The answer that this request had, or None when it is new; raises `KeyReused` and `KeyInUse`."""
        if self.key is None:
            return None
        await self._lock(self.key)
        stored = await repository.answer(
            self.session, self.account_id, self.key, not_before=datetime.now(UTC) - LIFETIME
        )
        if stored is None:
            return None
        if stored.request_hash != self.request_hash:
            raise KeyReused(
                "this key was used for another request less than 24 hours ago; give each request its own",
                field="Idempotency-Key",
                place="header",
            )
        # One that no server key opens any more is no answer; `keep` replaces it.
        return self.seal.open(stored.body, self.account_id, self.key)

    async def keep(self, body: str) -> None:
        """Store the answer beside the work, so that there is never one without the other."""
        if self.key is None:
            return
        now = datetime.now(UTC)
        stored = StoredAnswer(
            account_id=self.account_id,
            key=self.key,
            request_hash=self.request_hash,
            body=self.seal.seal(body, self.account_id, self.key),
            created_at=now,
        )
        await repository.add_answer(self.session, stored)
        await repository.forget_answers(self.session, not_before=now - LIFETIME)

    async def _lock(self, key: str) -> None:
        # SQLite has one writer at a time, and this transaction is it. On PostgreSQL the twin may run in
        # another process, which the lock table of the database sees.
        if self.session.get_bind().dialect.name != "postgresql":
            return
        digest = hashlib.sha256(f"{self.account_id}\n{key}".encode()).digest()
        number = int.from_bytes(digest[:8], "big", signed=True)
        if not await self.session.scalar(select(func.pg_try_advisory_xact_lock(number))):
            raise _in_use()


def _in_use() -> KeyInUse:
    return KeyInUse(
        "a request with this key is being worked on; wait for its answer, or send it again later",
        field="Idempotency-Key",
        place="header",
    )
