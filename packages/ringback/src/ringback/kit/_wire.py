"""A small HTTP/1.1 server for this machine: whole requests in, and the connection itself to answer on."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import httptools

__all__ = ["Incoming", "Limits", "Unreadable", "encode_answer", "serve"]

_CHUNK_LINE: Final = 1024
_BACKLOG_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request and one server may cost: bytes, seconds, connections at once."""

    head: int = 64 * 1024
    body: int = 1024 * 1024
    seconds: float = 60.0
    idle: float = 120.0
    connections: int = 512


@dataclass(frozen=True, slots=True)
class Incoming:
    """One request as it came in. `target` is path and query, names in `headers` are lower case.

    `raw` is every byte of it.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    raw: bytes

    @property
    def keeps_open(self) -> bool:
        """Whether the client may send another request on the connection."""
        return not any(name == "connection" and "close" in value.lower() for name, value in self.headers)


class Unreadable(Exception):
    """What came is not a request that is taken; `status` is the answer to it."""

    def __init__(self, status: int, reason: str) -> None:
        self.status = status
        self.reason = reason
        super().__init__(reason)


Handle = Callable[[Incoming, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""Answers one request on its connection; a connection that it closes takes no other."""


async def serve(
    listener: socket.socket,
    handle: Handle,
    closing: asyncio.Event,
    *,
    limits: Limits | None = None,
    started: Callable[[], None] = lambda: None,
) -> None:
    """Serve on a listening socket until `closing` is set; then every connection is cut."""
    allowed = limits or Limits()
    connections: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        with suppress(asyncio.CancelledError, OSError):
            if len(connections) <= allowed.connections:
                await _converse(reader, writer, handle, allowed)
        connections.discard(task)
        if not writer.transport.is_closing():
            writer.close()

    server = await asyncio.start_server(accept, sock=listener, limit=max(allowed.head, _BACKLOG_BYTES))
    started()
    await closing.wait()
    server.close()
    for task in list(connections):
        task.cancel()
    await asyncio.gather(*connections, return_exceptions=True)  # one may not even have begun


def encode_answer(status: int, headers: Sequence[tuple[str, str]] = (), body: bytes = b"") -> bytes:
    """The bytes of an answer, its length among them."""
    phrase = HTTPStatus(status).phrase if status in list(HTTPStatus) else "-"
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers)
    # Neither may carry a length (RFC 9110, section 8.6).
    length = "" if status < 200 or status == 204 else f"content-length: {len(body)}\r\n"
    return f"HTTP/1.1 {status} {phrase}\r\n{fields}{length}\r\n".encode("latin-1", "replace") + body


async def _converse(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handle: Handle, limits: Limits
) -> None:
    while not writer.is_closing():
        try:
            incoming = await _read(reader, writer, limits)
        except asyncio.IncompleteReadError:
            return
        except Unreadable as error:
            body = f"{error.reason}\n".encode()
            fields = [("content-type", "text/plain; charset=utf-8"), ("connection", "close")]
            writer.write(encode_answer(error.status, fields, body))
            with suppress(TimeoutError):
                async with asyncio.timeout(1.0):  # whoever still sends would see a reset, not the answer
                    writer.write_eof()
                    while await reader.read(65_536):
                        pass
            return
        await handle(incoming, reader, writer)
        if not incoming.keeps_open:
            return


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limits: Limits) -> Incoming:
    try:
        async with asyncio.timeout(limits.idle):
            first = await reader.readexactly(1)
    except TimeoutError:
        raise asyncio.IncompleteReadError(b"", 1) from None
    try:
        async with asyncio.timeout(limits.seconds):
            return await _Reading(reader, writer, limits).whole(first)
    except TimeoutError:
        raise Unreadable(408, f"the request was not complete after {limits.seconds:g} s") from None
    except asyncio.LimitOverrunError:
        raise Unreadable(431, f"the request's head has more than {limits.head} bytes") from None
    except (httptools.HttpParserError, ValueError) as error:
        raise Unreadable(400, f"this is no HTTP/1.1 request: {error}") from None


class _Reading:
    """Reads one request and not a byte more; llhttp says what is in it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limits: Limits) -> None:
        self._reader = reader
        self._writer = writer
        self._limits = limits
        self._raw = bytearray()
        self._body = bytearray()
        self._headers: list[tuple[str, str]] = []
        self._target = b""
        self._complete = False
        self._parser = httptools.HttpRequestParser(self)

    def on_url(self, target: bytes) -> None:
        """Called by the parser, perhaps with one part at a time."""
        self._target += target

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser."""
        self._headers.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    def on_body(self, part: bytes) -> None:
        """Called by the parser, with chunks undone."""
        self._body += part

    def on_message_complete(self) -> None:
        """Called by the parser."""
        self._complete = True

    async def whole(self, first: bytes) -> Incoming:
        """The request whose first byte was read already."""
        head = first + await self._reader.readuntil(b"\r\n\r\n")
        if len(head) > self._limits.head:
            raise Unreadable(431, f"the request's head has more than {self._limits.head} bytes")
        try:
            self._feed(head)
        except httptools.HttpParserUpgrade:
            raise Unreadable(501, "no other protocol is spoken here") from None
        if not self._complete:
            await self._read_body()
        method, target = self._parser.get_method().decode("ascii"), self._target.decode("latin-1")
        return Incoming(method, target, tuple(self._headers), bytes(self._body), bytes(self._raw))

    async def _read_body(self) -> None:
        named = dict(self._headers)
        if named.get("expect", "").lower() == "100-continue":
            self._writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if "content-length" in named and "transfer-encoding" not in named:
            size = int(named["content-length"])
            self._refuse_beyond(size)
            self._feed(await self._reader.readexactly(size))
        while not self._complete:
            line = await self._line()
            size = int(line.partition(b";")[0].strip() or b"0", 16)
            self._refuse_beyond(len(self._body) + size)
            self._feed(line + (await self._reader.readexactly(size + 2) if size else b""))
            while size == 0 and not self._complete:  # the trailer
                self._feed(await self._line())

    async def _line(self) -> bytes:
        line = await self._reader.readuntil(b"\r\n")
        if len(line) > _CHUNK_LINE or len(self._raw) > 4 * (self._limits.body + self._limits.head):
            raise Unreadable(400, "the body's chunks cannot be read")
        return line

    def _feed(self, part: bytes) -> None:
        self._raw += part
        self._parser.feed_data(part)

    def _refuse_beyond(self, size: int) -> None:
        if size > self._limits.body:
            raise Unreadable(413, f"the body has more than {self._limits.body} bytes")
