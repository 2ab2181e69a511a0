"""What a request body may cost: its size, its time and its nesting are judged before anything parses it."""

import asyncio
import re
from collections.abc import Sequence
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from invoices.errors import FieldError, ProblemResponse

__all__ = ["BodyLimits", "nesting"]

MAX_BODY: Final = 256 * 1024
"""Bytes of a request body. An invoice is far below a thousandth of it."""
MAX_DISCARDED: Final = 8 * 1024 * 1024
"""Bytes of a body that is too large, up to which the client is heard out before it gets its answer."""
MAX_NESTING: Final = 50
BODY_SECONDS: Final = 30.0

_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)


def nesting(body: bytes) -> int:
    """How deep the arrays and objects of a JSON text nest; linear in time, also for what is no JSON."""
    depth = deepest = 0
    for match in _STRING_OR_BRACKET.finditer(body):
        first = match[0][:1]
        if first in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif first in b"]}":
            depth -= 1
    return deepest


class BodyLimits:
    """Reads each request body whole, within the limits, and hands it on; refuses the others."""

    def __init__(self, app: ASGIApp, max_body: int = MAX_BODY, body_seconds: float = BODY_SECONDS) -> None:
        self.app = app
        self.max_body = max_body
        self.body_seconds = body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 400, 408 or 413."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self.body_seconds):
                body = await self._read(Headers(scope=scope), receive)
        except TimeoutError:
            await _refuse(408, "did not arrive in time; send the request again")(scope, receive, send)
            return
        except _ClientGone:
            return
        if body is None:
            limit = f"is larger than {self.max_body // 1024} KiB, which is all that is read here"
            await _refuse(413, limit)(scope, receive, send)
        elif refusal := _unreadable(Headers(scope=scope), body):
            await refusal(scope, receive, send)
        else:
            await self.app(scope, _replay(body, receive), send)

    async def _read(self, headers: Headers, receive: Receive) -> bytes | None:
        """The body, or None where it is too large: then it is read on for a while, and thrown away.

        A client that still sends would otherwise see a reset connection instead of the answer.
        """
        if int(_digits(headers.get("content-length"))) > MAX_DISCARDED:
            return None
        chunks: list[bytes] = []
        size = 0
        more = True
        while more and size <= MAX_DISCARDED:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _ClientGone
            chunk = message.get("body", b"")
            size += len(chunk)
            if size <= self.max_body:
                chunks.append(chunk)
            more = message.get("more_body", False)
        return b"".join(chunks) if size <= self.max_body else None


class _ClientGone(Exception):
    pass


def _digits(content_length: str | None) -> str:
    # The server has refused any other form already; a longer one is too large whatever it says.
    return (
        content_length[:18]
        if content_length and content_length.isascii() and content_length.isdigit()
        else "0"
    )


def _unreadable(headers: Headers, body: bytes) -> ProblemResponse | None:
    if "json" not in headers.get("content-type", "").lower():
        return None
    try:
        body.decode()
    except UnicodeDecodeError:
        return _refuse(400, "is not JSON: the text is not UTF-8")
    # Python would read UTF-16 and UTF-32 as well, where brackets could hide from the count.
    if b"\0" in body:
        return _refuse(400, "is not JSON: it has a NUL character")
    if nesting(body) > MAX_NESTING:
        return _refuse(400, f"nests deeper than {MAX_NESTING} levels")
    return None


def _refuse(status_code: int, reason: str) -> ProblemResponse:
    errors: Sequence[FieldError] = [FieldError(field="body", place="body", reason=reason)]
    # The rest of the body is still on its way, so the connection cannot be used again.
    headers = {"Connection": "close"} if status_code in (408, 413) else {}
    return ProblemResponse(status_code, f"the body {reason}", errors, headers)


def _replay(body: bytes, receive: Receive) -> Receive:
    waiting = [body]

    async def read() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return read
