"""The listener's two servers, side by side until they are told to end."""

import asyncio
import socket
from collections.abc import Callable, Collection, Sequence
from typing import Any

from ringback._errors import RingbackError
from ringback.kit._wire import Limits, serve
from ringback.kit.listen._feed import repeated
from ringback.kit.listen._listener import Listener
from ringback.kit.listen._page import Page

__all__ = ["open_port", "run"]


def open_port(host: str, port: int) -> socket.socket:
    """A listening socket; raises `RingbackError` where the port is taken."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=1024)
    except (OSError, OverflowError) as error:
        raise RingbackError(
            f"Nothing can listen at {host} port {port}: {error}. Choose another one with --port."
        ) from None


async def run(
    listener: Listener,
    port: socket.socket,
    page_port: socket.socket | None,
    *,
    closing: asyncio.Event,
    title: str = "",
    names: Collection[str] = (),
    max_body: int = 1024 * 1024,
    started: Callable[[], None] = lambda: None,
) -> None:
    """Serve callbacks on one socket and the page on the other, until `closing` is set."""
    number: int = port.getsockname()[1]
    servers = [serve(port, listener, closing, limits=Limits(body=max_body), started=started)]
    if page_port is not None:
        page = Page(
            listener.journal,
            about=lambda: {"title": title, "url": f"http://127.0.0.1:{number}", **listener.about()},
            command_for=lambda entry: repeated(entry, number, listener.verifier),
            names=names,
        )
        servers.insert(0, serve(page_port, page, closing, limits=Limits(body=0)))
    await _all(servers)


async def _all(servers: Sequence[Any]) -> None:
    async with asyncio.TaskGroup() as group:
        for server in servers:
            group.create_task(server)
