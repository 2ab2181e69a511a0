"""Verifies signed requests: as a plain function, as a FastAPI dependency, round any ASGI application."""

import json
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from ringback._signing import TOLERANCE, InvalidSignature, check_secrets, is_test_id, verify

__all__ = ["Message", "Receiver"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

REFUSED = 403
"""The status of every refusal: one answer for every fault, with the reason in its text."""

_VERIFIED = "ringback.message"


@dataclass(frozen=True, slots=True)
class Message:
    """A verified request. `id` is its ``webhook-id``, the same in every attempt of one delivery.

    `timestamp` is when this attempt was signed, in seconds since the epoch; `body` is what was signed.
    """

    id: str
    timestamp: int
    body: bytes

    @property
    def is_test(self) -> bool:
        """Whether somebody sent it to try the receiver: answer it as always, and let it have no effect."""
        return is_test_id(self.id)

    def json(self) -> Any:
        """Return the body as JSON. Raises `ValueError` if it is something else."""
        return json.loads(self.body)


class Receiver:
    """Knows the secrets that the provider signs with. Make one, and let every callback pass through it.

    While a secret is being rotated, give the new and the old one; a public key (``whpk_``) stands beside
    them. A timestamp further than `tolerance` seconds from this clock is refused, and so is a body of more
    than `max_body` bytes.

    Ringback's message ids end in a hash of the path that was called, and it is compared with the path of the
    request. Behind a proxy that rewrites paths, give `path`: a function from the path seen here to the path
    that the provider called. For providers whose ids have no such hash, say ``check_path=False``; then a
    message for one path is accepted at every path that shares the secret.

    Raises `InvalidSecret` at once for a secret that cannot be read.
    """

    def __init__(
        self,
        *secrets: str,
        tolerance: float = TOLERANCE,
        max_body: int = 1 << 20,
        path: Callable[[str], str] | None = None,
        check_path: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        check_secrets(secrets)
        self._secrets = secrets
        self._tolerance = tolerance
        self._max_body = max_body
        self._path = path or _unchanged
        self._check_path = check_path
        self._clock = clock

    def verify(
        self, headers: Mapping[str, str] | Iterable[tuple[str, str]], body: bytes, path: str
    ) -> Message:
        """Return the message that these raw parts of a request carry; raise `InvalidSignature` otherwise.

        `path` is the request's path with its percent-encoding, without the query. This is the face for
        frameworks that speak neither ASGI nor FastAPI.
        """
        if len(body) > self._max_body:
            raise self._too_large()
        named = _by_lower_name(headers)
        message_id = verify(
            self._secrets,
            named,
            body,
            now=self._clock(),
            tolerance=self._tolerance,
            path=self._path(path) if self._check_path else None,
        )
        return Message(message_id, int(named["webhook-timestamp"]), body)

    async def __call__(self, request: Request) -> Message:
        """Verify a Starlette or FastAPI request: ``Depends(receiver)``, or ``await receiver(request)``.

        The body stays readable. FastAPI reads a declared body before its dependencies run, so only `protect`
        holds the size limit before anything is read. Refuses with a 403 that states the reason.
        """
        by, verified = request.scope.get(_VERIFIED, (None, None))
        if by is self and isinstance(verified, Message):  # what another receiver verified counts for nothing
            return verified
        try:
            body = await self._body_of(request)
            return self.verify(_headers(request.scope), body, _path_as_sent(request.scope))
        except InvalidSignature as refused:
            raise HTTPException(REFUSED, str(refused)) from refused

    def protect(self, app: ASGIApp, *, prefix: str = "") -> ASGIApp:
        """Return `app` behind verification: it sees only requests that were verified.

        ``app.add_middleware(receiver.protect, prefix="/events")`` protects the paths below ``/events``; the
        others pass. The application can still ask for the message with ``Depends(receiver)``.
        """
        inside = prefix.rstrip("/")

        async def protected(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http" or not _is_below(inside, scope):
                await app(scope, receive, send)
                return
            try:
                body = await self._read(scope, receive)
                message = self.verify(_headers(scope), body, _path_as_sent(scope))
            except InvalidSignature as refused:
                await _refuse(send, str(refused))
            except ClientDisconnect:
                return
            else:
                await app({**scope, _VERIFIED: (self, message)}, _once_more(body, receive), send)

        return protected

    async def _body_of(self, request: Request) -> bytes:
        self._check_announced(request.scope)
        chunks: list[bytes] = []
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > self._max_body:
                raise self._too_large()
            chunks.append(chunk)
        # Starlette keeps what `Request.body()` read in this attribute; whoever reads next finds it there.
        request._body = b"".join(chunks)
        return request._body

    async def _read(self, scope: Scope, receive: Receive) -> bytes:
        self._check_announced(scope)
        chunks: list[bytes] = []
        size = 0
        while True:
            event = await receive()
            if event["type"] == "http.disconnect":
                raise ClientDisconnect
            chunk = event.get("body", b"")
            size += len(chunk)
            if size > self._max_body:
                raise self._too_large()
            chunks.append(chunk)
            if not event.get("more_body", False):
                return b"".join(chunks)

    def _check_announced(self, scope: Scope) -> None:
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit() and int(value[:20]) > self._max_body:
                raise self._too_large()

    def _too_large(self) -> InvalidSignature:
        return InvalidSignature(f"the body has more than {self._max_body} bytes, so it was not read")


def _is_below(prefix: str, scope: Scope) -> bool:
    # Servers write the path with or without the root path under which the application is mounted. Either
    # reading counts: a mistake here must protect too much, not too little.
    path: str = scope["path"]
    readings = (path, path.removeprefix(scope.get("root_path", "")))
    return any(reading == prefix or reading.startswith(f"{prefix}/") for reading in readings)


def _unchanged(path: str) -> str:
    return path


def _headers(scope: Scope) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]


def _by_lower_name(headers: Mapping[str, str] | Iterable[tuple[str, str]]) -> dict[str, str]:
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    named: dict[str, str] = {}
    for name, value in pairs:
        lower = name.lower()
        if not lower.startswith("webhook-"):
            continue
        if lower in named:  # which of the two was signed is not for us to guess
            raise InvalidSignature(f"the header {lower} is there more than once")
        named[lower] = value
    return named


def _path_as_sent(scope: Scope) -> str:
    raw: bytes | None = scope.get("raw_path")
    if raw is None:  # the server does not tell; this is how paths are written when nothing odd is in them
        return quote(scope["path"], safe="/:@!$&'()*+,;=~")
    return raw.partition(b"?")[0].decode("latin-1")


def _once_more(body: bytes, receive: Receive) -> Receive:
    pending = [body]

    async def replayed() -> MutableMapping[str, Any]:
        if pending:
            return {"type": "http.request", "body": pending.pop(), "more_body": False}
        return await receive()

    return replayed


async def _refuse(send: Send, reason: str) -> None:
    body = json.dumps({"title": "Forbidden", "status": REFUSED, "detail": reason}).encode()
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": REFUSED, "headers": headers})
    await send({"type": "http.response.body", "body": body})
