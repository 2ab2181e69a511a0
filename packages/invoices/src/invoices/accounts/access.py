"""Who is calling: an API key names the account; while no key exists, whoever is on this machine."""

import hmac
import ipaddress
import re
from collections.abc import Iterable
from typing import Annotated, Final

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.ext.asyncio import AsyncSession

from invoices.accounts import keys, repository
from invoices.accounts.models import Account
from invoices.accounts.service import DEFAULT
from invoices.database import reading
from invoices.errors import Forbidden, Unauthorized

__all__ = ["AccountDep", "NoAccess", "NoKey", "is_loopback", "refusal_in_open_mode"]

_LOCAL_HOST: Final = re.compile(
    r"(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?", re.ASCII | re.IGNORECASE
)

_bearer = HTTPBearer(
    auto_error=False, description="An API key, from `invoices accounts create`. Not needed while none exists."
)


class NoKey(Unauthorized):
    """The request needs a valid API key."""


class NoAccess(Forbidden):
    """No API key exists yet, and the request does not come from this machine."""


def is_loopback(host: str) -> bool:
    """Whether an address (not a name) is this machine's own."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def refusal_in_open_mode(peer: str | None, hosts: Iterable[str], names: Iterable[str]) -> str | None:
    """Why a request without a key is refused while no key exists; None where it is accepted.

    `peer` is the address of the connection, `hosts` all Host headers, `names` the names of all headers. A
    page in the operator's browser whose name was rebound to this machine still sends its own Host, and a
    proxy that hides a foreign caller behind a local connection tells on itself in its headers.
    """
    if peer is None or not is_loopback(peer):
        return "it does not come from this machine"
    if [bool(_LOCAL_HOST.fullmatch(host)) for host in hosts] != [True]:
        return "its Host is not localhost, 127.0.0.1 or [::1]"
    if any(name.lower() == "forwarded" or name.lower().startswith("x-forwarded-") for name in names):
        return "it was forwarded by a proxy"
    return None


async def current_account(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Account:
    """The account that the request speaks for.

    Read in a transaction of its own: the request's own one must not be open yet while names are resolved.
    """
    async with reading(request.app.state.sessions) as session:
        if credentials is not None:
            return await _of_key(session, credentials.credentials)
        if "authorization" in request.headers or await repository.any_key(session):
            raise NoKey(
                "send your API key as `Authorization: Bearer inv_…`", field="Authorization", place="header"
            )
        return await _of_this_machine(request, session)


async def _of_key(session: AsyncSession, text: str) -> Account:
    prefix = keys.prefix_of(text)
    found = await repository.key(session, prefix) if prefix else None
    if found is not None:
        key, account = found
        is_right = hmac.compare_digest(key.digest, keys.digest(text))
        if is_right and key.revoked_at is None and account.disabled_at is None:
            return account
    raise NoKey("this API key is not valid, or was revoked", field="Authorization", place="header")


async def _of_this_machine(request: Request, session: AsyncSession) -> Account:
    peer = request.client.host if request.client else None
    reason = refusal_in_open_mode(peer, request.headers.getlist("host"), request.headers.keys())
    if reason is not None:
        raise NoAccess(
            f"no API key exists yet, so only this machine may call, and this request is refused: {reason}. "
            "The operator makes a key with `invoices accounts create NAME`."
        )
    account = await repository.get(session, DEFAULT)
    if account is None or account.disabled_at is not None:
        raise NoKey(
            "the account `default` is disabled; use an API key", field="Authorization", place="header"
        )
    return account


AccountDep = Annotated[Account, Depends(current_account)]
