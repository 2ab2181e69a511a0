"""What an operator does with accounts, in the caller's transaction."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from invoices.accounts import keys, repository
from invoices.accounts.models import Account, ApiKey
from invoices.accounts.scopes import ALL_SCOPES, Scope, text_of
from invoices.operating import OperatorError
from ringback import Ringback

__all__ = [
    "DEFAULT",
    "AccountError",
    "Credentials",
    "IssuedKey",
    "PublicKey",
    "create",
    "create_key",
    "disable",
    "ensure_default",
    "is_open",
    "keys_of",
    "listed",
    "public_key",
    "revoke_key",
    "rotate_secret",
    "show",
]

DEFAULT: Final = "default"
"""The one account of the open mode."""

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)


class AccountError(OperatorError):
    """An account command that cannot be done; the text is for the operator."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What an API user needs: the key to send, and the secret to verify callbacks with."""

    account: str
    signing_secret: str
    api_key: str | None = None


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A key that was made now, and is readable only now."""

    account: str
    api_key: str
    prefix: str
    scopes: tuple[Scope, ...]


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that verifies callbacks and makes none; `key_id` is its name in the key set."""

    account: str
    public_key: str
    key_id: str


async def ensure_default(session: AsyncSession) -> None:
    """Make the open mode's account where it is missing."""
    await repository.add(session, DEFAULT, datetime.now(UTC))


async def create(session: AsyncSession, ringback: Ringback, name: str) -> Credentials:
    """Make an account with its first key; raises `AccountError` where the name is taken or unusable."""
    if not _NAME.fullmatch(name):
        raise AccountError(
            f"{name!r} cannot name an account: use at most 63 of a-z, 0-9 and -, such as acme or shop-2"
        )
    if not await repository.add(session, name, datetime.now(UTC)):
        raise AccountError(
            f"there is an account {name!r} already; `invoices accounts keys create {name}` gives it "
            "another key"
        )
    key = await create_key(session, name)
    return Credentials(name, await ringback.signing_secret(session, owner=name), key.api_key)


async def create_key(session: AsyncSession, name: str, scopes: Iterable[Scope] = ALL_SCOPES) -> IssuedKey:
    """Give an account another key with these rights; the others stay valid."""
    await _existing(session, name)
    granted = text_of(scopes)
    if not granted:
        raise AccountError(f"a key needs a scope at least: {', '.join(Scope)}")
    key = keys.new_key()
    row = ApiKey(
        prefix=key.prefix,
        account_id=name,
        digest=key.digest,
        scopes=granted,
        created_at=datetime.now(UTC),
    )
    await repository.add_key(session, row)
    return IssuedKey(name, key.text, key.prefix, tuple(Scope(word) for word in granted.split()))


async def keys_of(session: AsyncSession, name: str) -> Sequence[ApiKey]:
    """An account's keys, the oldest first, those that were revoked too."""
    await _existing(session, name)
    return await repository.keys_of(session, name)


async def revoke_key(session: AsyncSession, prefix: str) -> ApiKey:
    """Refuse a key from now on; the whole key will do as well as its prefix. Twice changes nothing."""
    found = await repository.key(session, keys.prefix_of(prefix) or prefix)
    if found is None:
        raise AccountError(
            "there is no key with this prefix; `invoices accounts keys list NAME` shows an account's keys"
        )
    key, _account = found
    key.revoked_at = key.revoked_at or datetime.now(UTC)
    return key


async def show(session: AsyncSession, ringback: Ringback, name: str) -> Credentials:
    """An account and its signing secret."""
    await _existing(session, name)
    return Credentials(name, await ringback.signing_secret(session, owner=name))


async def rotate_secret(session: AsyncSession, ringback: Ringback, name: str) -> Credentials:
    """A new signing secret; for 24 hours callbacks carry the signatures of both."""
    await _existing(session, name)
    return Credentials(name, await ringback.rotate_secret(session, owner=name))


async def public_key(
    session: AsyncSession, ringback: Ringback, name: str, *, rotate: bool = False
) -> PublicKey:
    """The key by which the account's receivers can verify without a secret; made now if there is none.

    From then on callbacks carry its signature too. With `rotate` it is a new one, and for 24 hours they carry
    the signatures of both.
    """
    await _existing(session, name)
    ask = ringback.rotate_key_pair if rotate else ringback.public_key
    key = await ask(session, owner=name)
    found = await ringback.keys(session, name)
    return PublicKey(name, key, next(one.fingerprint for one in found if one.public_key == key))


async def listed(session: AsyncSession) -> Sequence[tuple[Account, int]]:
    """Every account, with its number of working keys."""
    return await repository.listed(session)


async def disable(session: AsyncSession, name: str) -> None:
    """Refuse the account's requests from now on. Its invoices stay, and can still be paid."""
    account = await _existing(session, name)
    account.disabled_at = account.disabled_at or datetime.now(UTC)


async def is_open(session: AsyncSession) -> bool:
    """Whether no key was ever made, so that everybody on this machine may call."""
    return not await repository.any_key(session)


async def _existing(session: AsyncSession, name: str) -> Account:
    account = await repository.get(session, name)
    if account is None:
        raise AccountError(f"there is no account {name!r}; `invoices accounts list` shows all of them")
    return account
