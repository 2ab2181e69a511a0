"""Opening connections: to judged addresses only, by TLS or not, straight or through an egress proxy."""

import asyncio
import errno
import socket
import ssl
from base64 import b64encode
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TypeVar

from ringback import _tls
from ringback._connection import Connection, Outbound, Place
from ringback._guard import Guard, Unresolved
from ringback._message import Failure, FailureReason, Limits
from ringback._response import ResponseReader
from ringback._urls import IPAddress, Url, literal_address, parse_url

__all__ = ["Dialer", "Proxy"]

Opened = TypeVar("Opened")

_UNREACHABLE = frozenset(
    {
        errno.ENETUNREACH,
        errno.EHOSTUNREACH,
        errno.ENETDOWN,
        errno.EHOSTDOWN,
        errno.EACCES,
        errno.EPERM,
        errno.EAFNOSUPPORT,
        errno.EINVAL,
    }
)
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})


@dataclass(frozen=True, slots=True)
class Proxy:
    """An egress proxy that is asked for a tunnel (CONNECT) to each judged address."""

    url: Url
    authorization: str | None = None

    @classmethod
    def from_setting(cls, text: str) -> "Proxy":
        """Read ``http://[user:password@]host:port``; raises ValueError or `InvalidUrl`."""
        scheme, separator, rest = text.partition("://")
        credentials, at, place = rest.rpartition("@")
        url = parse_url(f"{scheme}{separator}{place}")
        if url.scheme != "http":
            raise ValueError(
                f"proxy {url.origin}: only http:// proxies are supported; TLS goes through the tunnel"
            )
        authorization = f"Basic {b64encode(credentials.encode()).decode()}" if at else None
        return cls(url, authorization)


class Dialer:
    """Opens connections within the limits; every failure says what an operator needs to know."""

    def __init__(
        self, guard: Guard, ssl_context: ssl.SSLContext | None, proxy: Proxy | None, limits: Limits
    ) -> None:
        self._guard = guard
        self._ssl_context = None if ssl_context is None else _tls.check_context(ssl_context)
        self._proxy = proxy
        self._limits = limits
        self._outbound = Outbound()

    async def connect(
        self,
        place: Place,
        url: Url,
        addresses: Sequence[IPAddress],
        open_connections: set[Connection],
        guard: Guard,
    ) -> Connection:
        """A connection to the first of the addresses that answers, all of which `guard` judged for `url`."""

        def new(address: IPAddress) -> Connection:
            return Connection(place, address, open_connections, self._outbound)

        if self._proxy is None and url.scheme == "http":
            return await self._first(addresses, lambda one, share: _open(new(one), url.port, share, guard))
        sock, address = await self._first(addresses, lambda one, share: self._socket(url, one, share, guard))
        connection = new(address)
        try:
            await self._attach(connection, sock, url)
        except BaseException:
            connection.drop()
            sock.close()
            raise
        return connection

    async def _first(
        self, addresses: Sequence[IPAddress], open_one: Callable[[IPAddress, float], Awaitable[Opened]]
    ) -> Opened:
        """What `open_one` makes of the first address that answers within its share of the time."""
        loop = asyncio.get_running_loop()
        tried = addresses[: self._limits.addresses]
        end = loop.time() + self._limits.connect
        failure: Failure | None = None
        for position, address in enumerate(tried):
            share = (end - loop.time()) / (len(tried) - position)
            try:
                return await open_one(address, max(share, 0.1))
            except Failure as found:
                failure = found
        assert failure is not None
        raise failure

    async def _socket(
        self, url: Url, address: IPAddress, seconds: float, guard: Guard
    ) -> tuple[socket.socket, IPAddress]:
        """A socket that is connected to `address`, or through the proxy's tunnel to it."""
        if self._proxy is not None:
            return await self._tunnel(self._proxy, url, address), address
        sock = await _connect(address, url.port, seconds)
        try:
            _check_ends(sock.getpeername()[0], sock.getsockname()[0], address, guard)
        except BaseException:
            sock.close()
            raise
        return sock, address

    async def _attach(self, connection: Connection, sock: socket.socket, url: Url) -> None:
        """Put the protocol, and for https TLS with the name's certificate checked, on the socket."""
        loop = asyncio.get_running_loop()
        if url.scheme == "http":  # through a tunnel
            await loop.create_connection(lambda: connection, sock=sock)
            return
        if self._ssl_context is None:
            self._ssl_context = _tls.default_context()
        try:
            async with asyncio.timeout(self._limits.tls):
                await loop.create_connection(
                    lambda: connection,
                    sock=sock,
                    ssl=self._ssl_context,
                    server_hostname=url.host,
                    ssl_shutdown_timeout=1.0,
                )
        except TimeoutError:
            detail = f"the TLS handshake did not end within {self._limits.tls:g} s"
            raise Failure(FailureReason.TLS_HANDSHAKE, detail) from None
        except ssl.SSLError as error:
            raise Failure(*_tls.explain(error)) from error
        except OSError as error:
            detail = f"the receiver closed the connection in the TLS handshake ({error})"
            raise Failure(FailureReason.TLS_HANDSHAKE, detail) from error

    async def _tunnel(self, proxy: Proxy, url: Url, address: IPAddress) -> socket.socket:
        """Ask the proxy for a tunnel to the judged address, so that it has no name left to resolve."""
        try:
            async with asyncio.timeout(self._limits.connect):
                where = literal_address(proxy.url.host)
                if where is None:
                    where = (await self._guard.resolve(proxy.url.host, self._limits.dns))[0]
                sock = await _connect(where, proxy.url.port, self._limits.connect)
                try:
                    await self._ask_tunnel(
                        sock, proxy, f"[{address}]" if address.version == 6 else f"{address}", url
                    )
                except BaseException:
                    sock.close()
                    raise
        except TimeoutError:
            detail = f"the proxy {proxy.url.origin} gave no tunnel within {self._limits.connect:g} s"
            raise Failure(FailureReason.PROXY, detail) from None
        except (Failure, Unresolved, OSError) as error:
            raise Failure(FailureReason.PROXY, f"the proxy {proxy.url.origin}: {error}") from error
        return sock

    async def _ask_tunnel(self, sock: socket.socket, proxy: Proxy, address: str, url: Url) -> None:
        loop = asyncio.get_running_loop()
        place = f"{address}:{url.port}"
        login = f"Proxy-Authorization: {proxy.authorization}\r\n" if proxy.authorization else ""
        await loop.sock_sendall(sock, f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n{login}\r\n".encode())
        reader = ResponseReader("CONNECT", self._limits)
        while not reader.done:
            data = await loop.sock_recv(sock, 4096)
            if data:
                reader.feed(data)
            else:
                reader.end_of_file(None)
        if reader.failure is not None:
            raise reader.failure
        if not 200 <= reader.status_code < 300:
            raise OSError(f"no tunnel to {place}: status {reader.status_code}")


async def _connect(address: IPAddress, port: int, seconds: float) -> socket.socket:
    """A plain TCP connection to an address; no name can come here."""
    loop = asyncio.get_running_loop()
    try:
        sock = socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_STREAM)
    except OSError as error:
        raise _explain(error, address, port) from error
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        async with asyncio.timeout(seconds):
            await loop.sock_connect(sock, (str(address), port))
    except TimeoutError:
        sock.close()
        raise _late(address, port, seconds) from None
    except OSError as error:
        sock.close()
        raise _explain(error, address, port) from error
    except BaseException:
        sock.close()
        raise
    return sock


async def _open(connection: Connection, port: int, seconds: float, guard: Guard) -> Connection:
    """Connect without TLS, straight to the connection's address: one step of the loop, not three."""
    address = connection.address
    try:
        async with asyncio.timeout(seconds):
            transport, _ = await asyncio.get_running_loop().create_connection(
                lambda: connection, connection.remote, port
            )
        peer, own = (transport.get_extra_info(name) for name in ("peername", "sockname"))
        if peer is None or own is None:
            raise Failure(FailureReason.RESET, f"{address} port {port} closed the connection at once")
        _check_ends(peer[0], own[0], address, guard)
    except BaseException as error:
        connection.drop()
        if isinstance(error, TimeoutError):
            raise _late(address, port, seconds) from None
        if isinstance(error, OSError):
            raise _explain(error, address, port) from error
        raise
    return connection


def _check_ends(peer: str, own: str, address: IPAddress, guard: Guard) -> None:
    """Look once more where a connection has come to, before anything is sent on it."""
    if peer != str(address) and ip_address(peer) != address:
        raise Failure(FailureReason.BLOCKED, f"connected to {peer} instead of {address}")
    if peer == own and not guard.policy.is_allowed(address):
        raise Failure(FailureReason.BLOCKED, f"{address} is this machine itself")


def _late(address: IPAddress, port: int, seconds: float) -> Failure:
    detail = f"{address} port {port} did not answer within {seconds:.1f} s"
    return Failure(FailureReason.CONNECT_TIMEOUT, detail)


def _explain(error: OSError, address: IPAddress, port: int) -> Failure:
    where = f"{address} port {port}: {error.strerror or error}"
    if isinstance(error, ConnectionRefusedError):
        return Failure(FailureReason.CONNECT_REFUSED, where)
    if error.errno in _EXHAUSTED:
        return Failure(FailureReason.LOCAL_RESOURCES, where)
    if error.errno in _UNREACHABLE:
        return Failure(FailureReason.UNREACHABLE, where)
    return Failure(FailureReason.RESET, f"{where}, while connecting")
