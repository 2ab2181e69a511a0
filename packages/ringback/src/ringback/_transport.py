"""Ringback's own HTTP/1.1 client: one guarded request, one response or one named failure, one deadline."""

import asyncio
import ssl

from ringback._connection import Connection, Place
from ringback._deadlines import Deadlines
from ringback._dial import Dialer, Proxy
from ringback._errors import Blocked
from ringback._guard import Guard, Unresolved
from ringback._message import Failure, FailureReason, Limits, Request, Response, encode_head
from ringback._pool import Pool
from ringback._response import ResponseReader
from ringback._urls import Url

__all__ = ["Failure", "FailureReason", "Limits", "Request", "Response", "Transport"]

_CLOSING_SECONDS = 1.0


class Transport:
    """Sends requests to the addresses that `guard` judged, and to no others.

    No redirects, cookies, decoding or settings from the environment. `ssl_context` must verify (None: the
    system's roots); `proxy` is ``http://[user:password@]host:port`` of an egress proxy that is asked for
    tunnels (CONNECT) to the judged addresses. To be used within one event loop.

    A request is written once and never again on another connection: a receiver that closes a kept-alive
    connection while the request is on its way gives ``Failure(RESET, sent=True)``, since it may have acted,
    and repeating is the retry schedule's to decide and to record. Idle connections are dropped early, and
    looked at before they are used, to make that rare.
    """

    def __init__(
        self,
        guard: Guard,
        *,
        ssl_context: ssl.SSLContext | None = None,
        proxy: str | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._guard = guard
        self._limits = limits or Limits()
        self._dialer = Dialer(guard, ssl_context, Proxy.from_setting(proxy) if proxy else None, self._limits)
        self._pool = Pool(self._limits)
        self._open: set[Connection] = set()
        self._deadlines = Deadlines(self._open)

    async def send(
        self, request: Request, timeout: float = 20.0, *, reuse: str = "", guard: Guard | None = None
    ) -> Response:
        """Send `request`; all of it, from the name to the end of the body, within `timeout` seconds.

        Connections are only kept and used again within one `reuse` partition (the owner), whose own `guard`
        may judge instead of the common one. Raises `Failure`.
        A response whose head came in time is returned even if its body did not; see `body_error`.
        """
        if self._pool.closed:
            raise RuntimeError("this transport is closed; make a new one")
        head = encode_head(request)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        connection = await self._connection(request.url, reuse, deadline, guard or self._guard)
        reader = ResponseReader(request.method, self._limits)
        self._deadlines.watch(deadline)
        await connection.exchange(head, request.body, reader, deadline)
        if reader.failure is not None:
            raise reader.failure
        if not connection.closed:
            self._pool.give(connection, loop.time())
        return Response(reader.status_code, reader.headers, reader.body, reader.body_error, connection.remote)

    async def close(self) -> None:
        """Close every connection and wait until the sockets are gone; requests under way fail."""
        self._pool.close()
        self._deadlines.close()
        loop = asyncio.get_running_loop()
        end = loop.time() + _CLOSING_SECONDS
        while self._open and loop.time() < end:
            for connection in list(self._open):
                connection.abort()
            await asyncio.sleep(0)  # the event loop reports each loss in its next turns

    async def _connection(self, url: Url, reuse: str, deadline: float, guard: Guard) -> Connection:
        place: Place = (reuse, url.scheme, url.host, url.port)
        loop = asyncio.get_running_loop()
        try:
            now = loop.time()
            addresses = guard.literal(url)
            if addresses is None:
                addresses = await guard.addresses(url, min(self._limits.dns, deadline - now))
                now = loop.time()
            kept = self._pool.take(place, addresses, now)
            if kept is not None:
                return kept
            async with asyncio.timeout_at(deadline):
                return await self._dialer.connect(place, url, addresses, self._open, guard)
        except TimeoutError:
            raise Failure(FailureReason.TIMEOUT, "no connection was made within the deadline") from None
        except Blocked as error:
            raise Failure(FailureReason.BLOCKED, error.reason) from error
        except Unresolved as error:
            raise Failure(FailureReason.UNRESOLVED, error.reason) from error
