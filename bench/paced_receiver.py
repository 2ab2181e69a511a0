"""A receiver that does as the path says: answer late, never, or at once while noting when it came.

``/after/MS/…`` is answered after so many milliseconds, ``/hang/…`` never, everything else at once.
``GET /stamps`` gives (and forgets) when the first byte of each ``POST /stamped/…`` came, by path and in
seconds of the machine's monotonic clock; ``GET /count`` gives how many requests were answered.
"""

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httptools
import uvloop

from bench.receiver import free_port, until_open

_stamps: dict[str, float] = {}
_count = 0


class _Client(asyncio.Protocol):
    """One connection, whose requests come one after the other."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._parser = httptools.HttpRequestParser(self)
        self._came = 0.0

    def data_received(self, data: bytes) -> None:
        self._came = self._came or time.monotonic()
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._path = url.decode()

    def on_message_complete(self) -> None:
        came, self._came = self._came, 0.0
        first, _, rest = self._path[1:].partition("/")
        if first == "hang":
            return
        if first == "stamped":
            _stamps.setdefault(self._path, came)
        if first == "after":
            delay = int(rest.partition("/")[0]) / 1000
            asyncio.get_running_loop().call_later(delay, self._answer, b'{"ok":true}')
        else:
            self._answer(_asked(self._path))

    def _answer(self, body: bytes) -> None:
        global _count  # noqa: PLW0603 - there is one receiver in this process
        if self._transport.is_closing():
            return
        _count += 1
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode() + body)


def _asked(path: str) -> bytes:
    if path == "/stamps":
        body = json.dumps(_stamps).encode()
        _stamps.clear()
        return body
    return json.dumps(_count).encode() if path == "/count" else b'{"ok":true}'


@contextmanager
def paced() -> Iterator[str]:
    """Run the receiver in a process of its own while the block runs; yields its base URL."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "bench.paced_receiver", str(port)])
    try:
        until_open(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


async def ask(paced_url: str, question: str) -> Any:
    """Ask a running receiver for ``stamps`` or ``count``."""
    host, _, port = paced_url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET /{question} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    body = await reader.readexactly(length)
    writer.close()
    return json.loads(body)


async def _serve(port: int) -> None:
    listener = socket.create_server(("0.0.0.0", port), backlog=8192)
    server = await asyncio.get_running_loop().create_server(_Client, sock=listener)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
