"""A provider with a worker that runs, and receivers that answer with any bytes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import pytest
from testkit.provider import Provider, open_provider

from ringback.testing import LocalReceiver


@dataclass
class Answering:
    """A receiver that gives every request the same bytes, and keeps the request lines."""

    answer: bytes
    url: str = ""
    lines: list[str] = field(default_factory=list)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.lines.append(head.partition(b"\r\n")[0].decode())
        writer.write(self.answer.replace(b"{url}", self.url.encode()))
        writer.close()


Answer = Callable[[bytes], Awaitable[Answering]]


@pytest.fixture
async def answering() -> AsyncIterator[Answer]:
    """`await answering(b"HTTP/1.1 200 OK…")` starts such a receiver on this machine."""
    async with AsyncExitStack() as stack:

        async def start(answer: bytes) -> Answering:
            receiver = Answering(answer)
            server = await asyncio.start_server(receiver, "127.0.0.1", 0)
            await stack.enter_async_context(server)
            receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            return receiver

        yield start


@pytest.fixture
async def provider(sqlite_url: str) -> AsyncIterator[Provider]:
    with LocalReceiver() as receiver:
        async with open_provider(receiver, database=sqlite_url) as provider:
            yield provider
