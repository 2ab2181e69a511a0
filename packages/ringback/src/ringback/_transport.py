"""Ringback's own HTTP/1.1 client: one guarded request, one response or one named failure, one deadline."""

import asyncio
import ssl

from ringback._connection import Connection, Place
from ringback._dial import Dialer, Proxy
from ringback._errors import Blocked
from ringback._guard import Guard, Unresolved
from ringback._message import Failure, FailureReason, Limits, Request, Response, encode_head
from ringback._pool import Pool
from ringback._response import ResponseReader

__all__ = ["Failure", "FailureReason", "Limits", "Request", "Response", "Transport"]


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
        self._all_lost = asyncio.Event()

    async def send(self, request: Request, timeout: float = 20.0, *, reuse: str = "") -> Response:
        """Send `request`; all of it, from the name to the end of the body, within `timeout` seconds.

        Connections are only kept and used again within one `reuse` partition (the owner). Raises `Failure`.
        A response whose head came in time is returned even if its body did not; see `body_error`.
        """
        if self._pool.closed:
            raise RuntimeError("this transport is closed; make a new one")
        reader = ResponseReader(request.method, self._limits)
        connection: Connection | None = None
        try:
            async with asyncio.timeout(timeout):
                head = encode_head(request)
                connection = await self._connection(request, timeout, reuse)
                await connection.exchange(head, request.body, reader)
        except TimeoutError:
            self._late(reader, timeout, sent=connection is not None)
        except Blocked as error:
            raise Failure(FailureReason.BLOCKED, error.reason) from error
        except Unresolved as error:
            raise Failure(FailureReason.UNRESOLVED, error.reason) from error
        assert connection is not None
        if reader.failure is not None:
            raise reader.failure
        if not connection.closed:
            self._pool.give(connection, asyncio.get_running_loop().time())
        return Response(
            reader.status_code, tuple(reader.headers), reader.body, reader.body_error, connection.remote
        )

    async def close(self) -> None:
        """Close every connection and wait until the sockets are gone; requests under way fail."""
        self._pool.close()
        for connection in list(self._open):
            connection.abort()
        if self._open:
            self._all_lost.clear()
            await self._all_lost.wait()

    async def _connection(self, request: Request, timeout: float, reuse: str) -> Connection:
        url = request.url
        addresses = await self._guard.addresses(url, min(self._limits.dns, timeout))
        place: Place = (reuse, url.scheme, url.host, url.port)
        kept = self._pool.take(place, addresses, asyncio.get_running_loop().time())
        if kept is not None:
            return kept
        connection = await self._dialer.connect(place, url, addresses, self._lost)
        self._open.add(connection)
        if self._pool.closed:
            connection.abort()
        return connection

    def _lost(self, connection: Connection) -> None:
        self._open.discard(connection)
        if not self._open:
            self._all_lost.set()

    @staticmethod
    def _late(reader: ResponseReader, timeout: float, *, sent: bool) -> None:
        """What the end of the deadline means, by how far the request had come."""
        if reader.head_complete:
            reader.stop(f"the deadline of {timeout:g} s passed after {reader.size} bytes of the body")
            return
        stage = "no complete answer came" if sent else "no connection was made"
        raise Failure(
            FailureReason.TIMEOUT, f"{stage} within the deadline of {timeout:g} s", sent=sent
        ) from None
