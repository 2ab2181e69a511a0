"""One test delivery: the documented example, signed, through the same guard and attempt as every callback."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ringback._attempt import HttpAttempts
from ringback._contract import build_contract
from ringback._errors import InvalidUrl, RingbackError
from ringback._guard import Guard, Unresolved
from ringback._message import Limits, Request, Response
from ringback._openapi.places import places
from ringback._signing import new_message_id
from ringback._transport import Transport
from ringback._urls import Url, parse_url
from ringback._verdict import Verdict
from ringback.kit._calls import Caller
from ringback.kit._declared import Declared
from ringback.panel._telling import Told, tell

if TYPE_CHECKING:
    from ringback._ringback import Ringback

__all__ = ["MARK", "NoSuchPlace", "Trial", "Trier", "UnusableUrl"]

logger = logging.getLogger("ringback.panel")

MARK: Final = ("ringback-test", "1")
"""The header field of every test delivery. It is not signed; the beginning ``msg_test_`` of the id is."""

_LINE: Final = "test id=%s owner=%r destination=%s status=%s verdict=%r"  # the operator is told why
_RESOLVE_SECONDS: Final = 1.0
_AT_ONCE: Final = 8
_STANDS_FOR: Final = "test"


class NoSuchPlace(RingbackError):
    """The document has no such callback."""


class UnusableUrl(RingbackError):
    """The URL is none that may be called; the text is for whoever gave it."""


@dataclass(frozen=True, slots=True)
class Trial:
    """The request as it was sent, and what is told of the answer."""

    message_id: str
    request: Request
    told: Told


@dataclass(frozen=True, slots=True)
class _Owed:
    """A delivery that no table holds."""

    message_id: str
    owner: str
    destination: str
    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Trier:
    """Makes test deliveries. All of them that bring no answer take the same time: `timeout` seconds."""

    def __init__(self, ringback: "Ringback", *, timeout: float) -> None:
        self._ringback = ringback
        self._timeout = timeout
        self._places = asyncio.Semaphore(_AT_ONCE)

    @property
    def is_busy(self) -> bool:
        """Whether as many run as may run at once."""
        return self._places.locked()

    def base(self, text: str) -> Url:
        """Read the receiver's URL; raises `UnusableUrl`."""
        try:
            return parse_url(text)
        except InvalidUrl as error:
            raise UnusableUrl(error.reason) from None

    async def make(
        self, document: Mapping[str, Any], path: str, method: str, callback: str, base: Url, *, owner: str
    ) -> Trial:
        """Send the example of one callback to the receiver at `base`, once, and judge the answer.

        Raises `NoSuchPlace`, `UnusableUrl`, `Blocked` for a URL that may not be called, and `RingbackError`
        where the document gives no example.
        """
        declared = _declared(document, path, method, callback)
        owed = _owed(document, declared, base, owner)
        async with self._places:
            loop = asyncio.get_running_loop()
            end = loop.time() + self._timeout + _RESOLVE_SECONDS
            await self._judge(owed)
            request, verdict = await self._attempt(owed, declared)
            logger.info(_LINE, owed.message_id, owner, owed.destination, verdict.status_code, verdict.text)
            if verdict.status_code is None:
                await asyncio.sleep(max(0.0, end - loop.time()))
        return Trial(owed.message_id, request, tell(verdict))

    async def _judge(self, owed: _Owed) -> None:
        """As at `bind`: what the policy refuses is refused at once, what has no address yet is tried."""
        url = parse_url(owed.url)
        try:
            await self._ringback.owner_guards.of(owed.owner).addresses(url, _RESOLVE_SECONDS)
        except Unresolved:
            return

    async def _attempt(self, owed: _Owed, declared: Declared) -> tuple[Request, Verdict]:
        ringback, place = self._ringback, declared.place
        own = ringback.contracts().get(place.operation_id, place.callback)
        acknowledges = (
            None if own is None or own.function is None else ringback._acknowledgements.get(own.function)
        )
        async with ringback.engine.begin() as connection:
            secrets = await connection.run_sync(ringback._store.keys.signing, [owed.owner])
        transport = _NotingTransport(
            ringback.guard, ssl_context=ringback._ssl_context, proxy=ringback._proxy, limits=Limits()
        )
        attempts = HttpAttempts(
            transport, timeout=self._timeout, guard_of=ringback.owner_guards.of, clock=ringback._now
        )
        try:
            verdict = await attempts.make(
                owed, secrets=secrets[owed.owner], answers=own or declared.contract, acknowledges=acknowledges
            )
        finally:
            await transport.close()
        request = transport.noted or Request(owed.method, parse_url(owed.url), owed.headers, owed.body)
        return request, verdict


class _NotingTransport(Transport):
    """Remembers what it was given to send."""

    noted: Request | None = None

    async def send(
        self, request: Request, timeout: float = 20.0, *, reuse: str = "", guard: Guard | None = None
    ) -> Response:
        self.noted = request
        return await super().send(request, timeout, reuse=reuse, guard=guard)


def _declared(document: Mapping[str, Any], path: str, method: str, callback: str) -> Declared:
    wanted = (path, method.lower(), callback)
    for place in places(document):
        if place.method and (place.path, place.main_method, place.callback) == wanted:
            return Declared(callback, place, build_contract(document, place))
    raise NoSuchPlace(f"{method.upper()} {path} declares no callback {callback!r}")


def _owed(document: Mapping[str, Any], declared: Declared, base: Url, owner: str) -> _Owed:
    # What may be any text stands for nothing: a test must not look like news of something that exists.
    values = dict.fromkeys(Caller(document, declared, base).free_texts, _STANDS_FOR)
    caller = Caller(document, declared, base, values)
    payload = caller.payload()
    url = caller.url(payload)
    return _Owed(
        message_id=new_message_id(url.path, is_test=True),
        owner=owner,
        destination=url.origin,
        method=declared.contract.method,
        url=str(url),
        headers=(*payload.headers, MARK),
        body=payload.body,
    )
