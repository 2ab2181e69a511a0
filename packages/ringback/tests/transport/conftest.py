"""Real sockets with scripted answers, and a transport that may call them."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

import pytest

from ringback._guard import Guard, NetworkPolicy
from ringback._resolver import Unresolved
from ringback._transport import Limits, Request, Transport
from ringback._urls import IPAddress, parse_url

Script = Callable[["Peer"], Awaitable[None]]


class Peer:
    """One accepted connection, as the script of a receiver sees it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def request(self) -> bytes:
        """Read one whole request and give its raw bytes."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        return head + await self.reader.readexactly(length)

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def end(self) -> None:
        """Wait until the other side closes."""
        while await self.reader.read(65536):
            pass

    def reset(self) -> None:
        """Close with RST."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.writer.transport.abort()


@dataclass
class Receiver:
    """A listening server: its port, the requests and the number of connections that it saw."""

    port: int
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0

    def url(self, path: str = "/hook", host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"


class Names:
    """A resolver with fixed answers that counts what it is asked."""

    def __init__(self, **answers: str) -> None:
        self.answers = {name.replace("_", "."): text.split() for name, text in answers.items()}
        self.asked: list[str] = []

    async def resolve(self, host: str) -> Sequence[IPAddress]:
        self.asked.append(host)
        if host not in self.answers:
            raise Unresolved(f"the name {host} has no address")
        return [ip_address(text) for text in self.answers[host]]


@pytest.fixture
async def listen() -> AsyncIterator[Callable[..., Awaitable[Receiver]]]:
    """Start receivers: `await listen(script, ssl=None)`; the script runs for each connection."""
    servers: list[asyncio.Server] = []
    tasks: set[asyncio.Task[Any]] = set()

    async def start(script: Script, *, ssl: Any = None) -> Receiver:
        receiver = Receiver(0)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            receiver.connections += 1
            peer = Peer(reader, writer)
            read = peer.request

            async def recorded() -> bytes:
                raw = await read()
                receiver.requests.append(raw)
                return raw

            peer.request = recorded  # type: ignore[method-assign]
            try:
                await script(peer)
            except (asyncio.IncompleteReadError, asyncio.CancelledError, OSError):
                pass
            finally:
                tasks.discard(task)
                writer.transport.abort()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=ssl)
        servers.append(server)
        receiver.port = server.sockets[0].getsockname()[1]
        return receiver

    yield start
    for server in servers:
        server.close()
    for task in list(tasks):
        task.cancel()
    while tasks:
        await asyncio.sleep(0)
    for server in servers:
        await server.wait_closed()


@pytest.fixture
async def open_transport() -> AsyncIterator[Callable[..., Transport]]:
    """Make transports that may call 127.0.0.0/8; they are closed after the test."""
    opened: list[Transport] = []

    def make(*, names: Names | None = None, limits: Limits | None = None, **options: Any) -> Transport:
        policy = NetworkPolicy.from_settings(options.pop("allow_networks", ["127.0.0.0/8"]))
        transport = Transport(Guard(policy, names), limits=limits, **options)
        opened.append(transport)
        return transport

    yield make
    for transport in opened:
        await transport.close()


@pytest.fixture
def post() -> Callable[..., Request]:
    """Make a request: `post(url, body=b"{}", **headers)`."""

    def make(url: str, body: bytes = b'{"paid": true}', *, method: str = "POST", **headers: str) -> Request:
        fields = tuple((name.replace("_", "-"), value) for name, value in headers.items())
        return Request(method, parse_url(url), (("content-type", "application/json"), *fields), body)

    return make


@pytest.fixture
def names() -> type[Names]:
    return Names
