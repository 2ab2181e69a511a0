"""Serves an ASGI application on a real socket of this process."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

__all__ = ["served"]


@asynccontextmanager
async def served(app: Any, **settings: Any) -> AsyncIterator[str]:
    """Yield the base URL of `app`, served by uvicorn on a free loopback port. `settings` are uvicorn's."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # Accepted connections inherit it; asyncio sets it only on sockets that it has made itself.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        config = uvicorn.Config(app, **{"log_level": "error", "lifespan": "off", **settings})
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task
