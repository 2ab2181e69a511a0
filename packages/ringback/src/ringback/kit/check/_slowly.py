"""One request in pieces, over a socket of its own: what slow networks and slow machines do."""

import asyncio
import contextlib
from types import TracebackType
from typing import Any, Self

from ringback._errors import Blocked
from ringback._guard import Guard, Unresolved
from ringback._message import Failure, FailureReason, Limits, Request, Response, encode_head
from ringback._response import ResponseReader
from ringback.kit.check._provider import Provider
from ringback.kit.check._results import Sent

__all__ = ["SlowSender"]

_CHUNK = 4096


class SlowSender:
    """Sends a request in two halves, and reads its answer when it likes. To be used with ``async with``."""

    def __init__(self, provider: Provider, request: Request) -> None:
        self._provider = provider
        self._request = request
        self._limits = Limits()
        self._failure: Failure | None = None
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        self._start = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(self._limits.connect):
                self._streams = await self._connect(self._provider.guard)
        except (OSError, TimeoutError, Blocked, Unresolved) as error:
            self._failure = Failure(FailureReason.RESET, f"no connection: {error}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._streams is not None:
            self._streams[1].transport.abort()

    async def send_half(self) -> None:
        """The head and the first half of the body."""
        body = self._request.body
        await self._write(encode_head(self._request) + body[: len(body) // 2])

    async def finish(self, *, wait: float = 0.0) -> Sent:
        """The other half; then, after `wait` seconds, the answer."""
        body = self._request.body
        await self._write(body[len(body) // 2 :])
        await asyncio.sleep(wait)
        reader = ResponseReader(self._request.method, self._limits)
        try:
            async with asyncio.timeout(self._provider.timeout):
                await self._read(reader)
        except TimeoutError:
            reader.deadline_passed()
        seconds = asyncio.get_running_loop().time() - self._start - wait
        failure = self._failure or reader.failure
        if failure is not None:
            return Sent(self._request, failure, seconds)
        answer = Response(reader.status_code, reader.headers, reader.body, reader.body_error, "")
        return Sent(self._request, answer, seconds)

    async def _connect(self, guard: Guard) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        url = self._request.url
        secure: dict[str, Any] = {}
        if url.scheme == "https":
            secure = {"ssl": self._provider.ssl_context, "server_hostname": url.host}
        failure: OSError | None = None
        for address in await guard.addresses(url, self._limits.dns):
            try:
                return await asyncio.open_connection(str(address), url.port, **secure)
            except OSError as error:  # a name stands for several, as localhost does
                failure = error
        assert failure is not None
        raise failure

    async def _write(self, data: bytes) -> None:
        if self._streams is not None:
            # An answer may have come before the end of the request; it is read all the same.
            with contextlib.suppress(OSError):
                self._streams[1].write(data)
                await self._streams[1].drain()

    async def _read(self, reader: ResponseReader) -> None:
        while self._streams is not None and not reader.done:
            try:
                data = await self._streams[0].read(_CHUNK)
            except OSError as error:
                reader.end_of_file(error)
                return
            if data:
                reader.feed(data)
            else:
                reader.end_of_file(None)
