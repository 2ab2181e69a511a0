"""A real receiver on this machine, which behaves as it is told."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final

from ringback.kit._behave import Answer, Behaviour, Script, play
from ringback.kit._wire import Incoming, Limits, serve

__all__ = ["LocalReceiver", "Received"]

# A test's own app is not to be held up by what protects a listener from strangers.
_LIMITS: Final = Limits(head=1 << 20, body=256 << 20, seconds=600, idle=3600, connections=100_000)


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came in. `target` is path and query, header names are lower-case.

    `raw` is every byte of it, `at` when it was complete (`time.monotonic`), `behaviour` how it was answered.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    raw: bytes
    at: float
    behaviour: str

    @property
    def id(self) -> str:
        """The ``webhook-id``: the same in every attempt of one delivery."""
        return self.headers.get("webhook-id", "")

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class LocalReceiver:
    """A real HTTP server on 127.0.0.1, in a thread of its own, that behaves as it is told.

    Each request takes the next of `behaviours`, and the last one stays. With `at_random`, or with a `seed`
    that makes chance repeat itself, each takes any of them. A status such as ``"500"``, with headers as in
    ``"429:retry-after=30"``, is answered with an empty body. And by name:

    - ``ok``: 200 with `answer` as JSON. ``not-ok``: the same with every true in it made false.
    - ``wrong-shape``: 200 with a JSON value that no document declares.
    - ``redirect``: 302 to ``/redirected`` of this server, which must never be visited.
    - ``reset``: the connection is reset once the request has been read.
    - ``hang``: no answer. ``drip``: the bytes of an ``ok`` one by one, 50 ms apart.
    """

    def __init__(
        self, *behaviours: str, answer: Any = None, at_random: bool = False, seed: int | None = None
    ) -> None:
        self._ok = Answer.of_value({"ok": True} if answer is None else answer)
        self._at_random = at_random
        self._seed = seed
        self._scripts: dict[str, Script] = {}
        self._received: list[Received] = []
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._port = 0
        self.behave(*(behaviours or ("ok",)))

    def behave(self, *behaviours: str, path: str = "") -> None:
        """From now on behave so; with `path`, only to targets that begin with it."""
        self._scripts[path] = Script(behaviours, at_random=self._at_random, seed=self._seed)

    @property
    def url(self) -> str:
        """Where it listens, as ``http://127.0.0.1:PORT``."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def requests(self) -> list[Received]:
        """What has come in so far, the first one first."""
        return list(self._received)

    async def received(self, count: int, *, timeout: float = 10.0) -> list[Received]:
        """Wait until `count` requests have come in; `TimeoutError` after `timeout` seconds."""
        async with asyncio.timeout(timeout):
            while len(self._received) < count:  # noqa: ASYNC110 - they arrive in another thread
                await asyncio.sleep(0.005)
        return self.requests

    def __enter__(self) -> "LocalReceiver":
        listener = socket.create_server(("127.0.0.1", self._port), backlog=1024)
        self._port = listener.getsockname()[1]
        ready = threading.Event()
        self._thread = threading.Thread(
            target=asyncio.run, args=(self._serve(listener, ready),), name="local receiver", daemon=True
        )
        self._thread.start()
        ready.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close everything; entering again listens on the same port."""
        loop, thread = self._loop, self._thread
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(self._closing.set)
            thread.join()
        self._loop = self._thread = None

    async def _serve(self, listener: socket.socket, ready: threading.Event) -> None:
        self._closing = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        await serve(listener, self._answer, self._closing, limits=_LIMITS, started=ready.set)

    async def _answer(
        self, incoming: Incoming, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        behaviour = self._next(incoming.target)
        self._received.append(
            Received(
                incoming.method,
                incoming.target,
                dict(incoming.headers),
                incoming.body,
                incoming.raw,
                time.monotonic(),
                behaviour.text,
            )
        )
        await play(behaviour, self._ok, reader, writer)

    def _next(self, target: str) -> Behaviour:
        path = max((path for path in self._scripts if target.startswith(path)), key=len)
        return self._scripts[path].next()
