"""Who is calling: an API key names the account; while no key exists, whoever is on this machine."""

import hmac
import ipaddress
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.datastructures import Headers

from invoices.accounts import keys, repository
from invoices.accounts.models import Account, ApiKey
from invoices.accounts.scopes import ALL_SCOPES, Scope, text_of
from invoices.accounts.service import DEFAULT
from invoices.database import reading
from invoices.errors import Forbidden, Unauthorized
from invoices.rate_limits import RateLimits, TooManyGuesses, TooManyRequests

__all__ = [
    "REFUSALS",
    "Caller",
    "CreatorDep",
    "ManagerDep",
    "MissingScope",
    "NoAccess",
    "NoKey",
    "ReaderDep",
    "is_loopback",
    "is_sent_by_a_foreign_page",
    "refusal_in_open_mode",
]

_LOCAL_HOST: Final = re.compile(
    r"(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?", re.ASCII | re.IGNORECASE
)

_OF_PROXIES: Final = frozenset(
    {"forwarded", "via", "x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip"}
)

_bearer = HTTPBearer(
    auto_error=False, description="An API key, from `invoices accounts create`. Not needed while none exists."
)


class NoKey(Unauthorized):
    """The request needs a valid API key."""


class NoAccess(Forbidden):
    """No API key exists yet, and the request does not come from this machine."""


class MissingScope(Forbidden):
    """The API key is not meant for this."""

    def __init__(self, needed: Scope, granted: Collection[Scope]) -> None:
        super().__init__(
            f"this needs an API key with the scope {needed!s}, and yours has: {text_of(granted)}. "
            f"The operator makes one with `invoices accounts keys create NAME --scope {needed!s}`.",
            field="Authorization",
            place="header",
            # RFC 6750, section 3.1.
            headers={"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{needed!s}"'},
        )


REFUSALS: Final = (NoKey, NoAccess, MissingScope, TooManyRequests, TooManyGuesses)
"""What an operation that asks who calls may answer, for its `responses=`."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose request it is, and what it may do."""

    account: Account
    scopes: frozenset[Scope]


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
    proxy that hides a foreign caller behind a local connection tells on itself in its headers, as most do.
    """
    if peer is None or not is_loopback(peer):
        return "it does not come from this machine"
    if [bool(_LOCAL_HOST.fullmatch(host)) for host in hosts] != [True]:
        return "its Host is not localhost, 127.0.0.1 or [::1]"
    if any(name.lower() in _OF_PROXIES or name.lower().startswith("x-forwarded-") for name in names):
        return "it was forwarded by a proxy"
    return None


def is_sent_by_a_foreign_page(headers: Headers) -> bool:
    """Whether a page of another site in a browser of this machine sends this.

    Such a page cannot read the answers, but what needs no body it could do: void an invoice, or send it. All
    browsers say where a request comes from; what is no browser says nothing, and is no page.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        return site not in ("same-origin", "none")
    return origin is not None and origin.partition("://")[2] != headers.get("host")


async def current_caller(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Caller:
    """Who calls. An account's requests are counted; this machine's own, in the open mode, are not.

    Read in a transaction of its own: the request's own one must not be open yet while names are resolved.
    """
    limits: RateLimits = request.app.state.rate_limits
    async with reading(request.app.state.sessions) as session:
        if credentials is None:
            account = None
            is_open = "authorization" not in request.headers
            if is_open:
                is_open, account = await repository.open_mode(session, DEFAULT)
            if not is_open:
                raise NoKey(
                    "send your API key as `Authorization: Bearer inv_…`",
                    field="Authorization",
                    place="header",
                )
            return Caller(_of_this_machine(request, account), ALL_SCOPES)
        found = await _of_key(session, credentials.credentials)
    if found is None:
        limits.count_guess(request)
        raise NoKey("this API key is not valid, or was revoked", field="Authorization", place="header")
    key, account = found
    limits.count_request(account.id)
    request.app.state.key_uses.note(key.prefix)
    return Caller(account, key.granted)


async def _of_key(session: AsyncSession, text: str) -> tuple[ApiKey, Account] | None:
    prefix = keys.prefix_of(text)
    found = await repository.key(session, prefix) if prefix else None
    if found is None:
        return None
    key, account = found
    is_right = hmac.compare_digest(key.digest, keys.digest(text))
    return found if is_right and key.revoked_at is None and account.disabled_at is None else None


def _of_this_machine(request: Request, account: Account | None) -> Account:
    peer = request.client.host if request.client else None
    reason = refusal_in_open_mode(peer, request.headers.getlist("host"), request.headers.keys())
    if reason is None and is_sent_by_a_foreign_page(request.headers):
        reason = "a page of another site sends it"
    if reason is not None:
        raise NoAccess(
            f"no API key exists yet, so only this machine may call, and this request is refused: {reason}. "
            "The operator makes a key with `invoices accounts create NAME`."
        )
    if account is None or account.disabled_at is not None:
        raise NoKey(
            "the account `default` is disabled; use an API key", field="Authorization", place="header"
        )
    return account


@dataclass(frozen=True, slots=True)
class _Allowed:
    """Gives the caller's account where its key has the scope."""

    scope: Scope

    # Async, although it waits for nothing: FastAPI would run it in a thread.
    async def __call__(self, caller: Annotated[Caller, Depends(current_caller)]) -> Account:
        if self.scope not in caller.scopes:
            raise MissingScope(self.scope, caller.scopes)
        return caller.account


CreatorDep = Annotated[Account, Depends(_Allowed(Scope.CREATE))]
ReaderDep = Annotated[Account, Depends(_Allowed(Scope.READ))]
ManagerDep = Annotated[Account, Depends(_Allowed(Scope.MANAGE))]
