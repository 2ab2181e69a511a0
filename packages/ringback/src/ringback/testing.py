"""For the tests of an app: a clock moved by hand, a real receiver on this machine, and what was delivered.

    clock = Clock()
    ringback = Ringback(app, database=..., allow_networks=["127.0.0.0/8"], now=clock)

    with LocalReceiver("500", "ok") as receiver:
        ...                                          # bind receiver.url, send, commit
        await drain(ringback, clock=clock)           # the whole retry schedule, in no time
        [report] = await assert_delivered(ringback, key="2expen51ve")
        assert len(receiver.requests) == 2

Requests are real requests over real sockets, made by the worker that also works in production. In a test that
is not async, with FastAPI's ``TestClient`` in a ``with`` block: ``client.portal.call(drain, ringback)``.
"""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from ringback._store import reports

if TYPE_CHECKING:
    from ringback._ringback import Ringback
    from ringback._store.reports import DeliveryReport

__all__ = ["Clock", "LocalReceiver", "Received", "assert_delivered", "drain"]

_DRIP_SECONDS: Final = 0.05
_MANY: Final = 1_000_000


class Clock:
    """A clock that stands until it is moved: for ``Ringback(now=clock)``. It begins at the present time.

    Signatures carry its time. A receiver that checks timestamps refuses what was signed by a clock that has
    gone far ahead, so give it this one too: ``ringback.receiver.Receiver(secret, clock=clock)``.
    """

    def __init__(self, now: float | None = None) -> None:
        self.now = time.time() if now is None else now

    def __call__(self) -> float:
        """Seconds since 1970 (UTC)."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Move on; the worker sees it at its next look, or at once with `drain`."""
        self.now += seconds


async def drain(ringback: "Ringback", *, clock: Clock | None = None, timeout: float = 10.0) -> None:
    """Deliver until nothing is due and no attempt runs; a worker must be running.

    With `clock` it goes on to the next due time, and to the one after, until every delivery has ended.
    Raises `TimeoutError` after `timeout` real seconds.
    """
    async with asyncio.timeout(timeout):
        while True:
            await ringback.drain(timeout)
            if clock is None:
                return
            async with ringback.engine.begin() as connection:
                queue = await connection.run_sync(reports.look_at_queue, clock.now)
            if queue.oldest_due_at is None:
                return
            clock.now = max(clock.now, queue.oldest_due_at)


async def assert_delivered(
    ringback: "Ringback",
    *,
    key: str | None = None,
    owner: str | None = None,
    callback: str | None = None,
    times: int = 1,
) -> list["DeliveryReport"]:
    """Assert that exactly `times` deliveries match, and that each arrived and was answered as documented.

    `key` is the one given to `bind` (or `enqueue`), `callback` the declared function's name. Returns their
    reports, the newest first. The error shows how every matching delivery stands.
    """
    async with ringback.transaction() as session:
        found = await ringback.deliveries(session, owner=owner, key=key, limit=_MANY)
    if callback is not None:
        found = [report for report in found if report.callback == callback]
    if len(found) == times and all(report.state == "delivered" and not report.breach for report in found):
        return found
    raise AssertionError("\n".join([f"{times} deliveries as documented were expected, and:", *_lines(found)]))


def _lines(found: list["DeliveryReport"]) -> list[str]:
    return [
        f"  {report.callback or report.channel} to {report.url}: {report.state} after {report.attempts} "
        f"attempts, {report.breach or report.verdict or 'none made yet'}"
        for report in found
    ] or ["  there is no delivery at all; was the transaction committed, and did the target have a URL?"]


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

    Each request takes the next of `behaviours`, and the last one stays. A status such as ``"500"``, with
    headers as in ``"429:retry-after=30"``, is answered with an empty body. And by name:

    - ``ok``: 200 with `answer` as JSON. ``not-ok``: the same with every true in it made false.
    - ``wrong-shape``: 200 with a JSON value that no document declares.
    - ``redirect``: 302 to ``/redirected`` of this server, which must never be visited.
    - ``reset``: the connection is reset once the request has been read.
    - ``hang``: no answer. ``drip``: the bytes of an ``ok`` one by one, 50 ms apart.
    """

    def __init__(self, *behaviours: str, answer: Any = None) -> None:
        self._ok = {"ok": True} if answer is None else answer
        self._script: dict[str, list[str]] = {}
        self._received: list[Received] = []
        self._listener: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._port = 0
        self.behave(*(behaviours or ("ok",)))

    def behave(self, *behaviours: str, path: str = "") -> None:
        """From now on behave so; with `path`, only to targets that begin with it."""
        for behaviour in behaviours:
            _answer(behaviour, self._ok)
        self._script[path] = list(behaviours)

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
        self._listener = socket.create_server(("127.0.0.1", self._port), backlog=1024)
        self._port = self._listener.getsockname()[1]
        ready = threading.Event()
        self._thread = threading.Thread(
            target=asyncio.run, args=(self._serve(self._listener, ready),), name="local receiver", daemon=True
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
        self._connections: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(self._accept, sock=listener)
        self._loop = asyncio.get_running_loop()
        ready.set()
        await self._closing.wait()
        server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        with suppress(asyncio.IncompleteReadError, asyncio.CancelledError, OSError):
            while not writer.is_closing():
                await self._play(await self._read(reader), reader, writer)
        self._connections.discard(task)
        writer.transport.abort()

    async def _read(self, reader: asyncio.StreamReader) -> Received:
        head = await reader.readuntil(b"\r\n\r\n")
        start, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        method, target, _ = start.split(" ", 2)
        headers.pop("", None)
        behaviour = self._next(target)
        received = Received(method, target, headers, body, head + body, time.monotonic(), behaviour)
        self._received.append(received)
        return received

    def _next(self, target: str) -> str:
        path = max((path for path in self._script if target.startswith(path)), key=len)
        script = self._script[path]
        return script.pop(0) if len(script) > 1 else script[0]

    async def _play(
        self, received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if received.behaviour == "hang":
            await reader.read()
        elif received.behaviour == "reset":
            no_lingering = (1).to_bytes(4, "little") + bytes(4)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_lingering)
            writer.transport.abort()
        elif received.behaviour == "drip":
            for byte in _answer("ok", self._ok):
                writer.write(bytes([byte]))
                await asyncio.sleep(_DRIP_SECONDS)
        else:
            writer.write(_answer(received.behaviour, self._ok))
            await writer.drain()


def _answer(behaviour: str, ok: Any) -> bytes:
    """The bytes of an answer; complains about a behaviour that nobody knows."""
    bodies = {"ok": ok, "drip": ok, "not-ok": _refusing(ok), "wrong-shape": [{"unheard": "of"}]}
    if behaviour in bodies:
        return _encode("200", {"content-type": "application/json"}, json.dumps(bodies[behaviour]).encode())
    if behaviour == "redirect":
        return _encode("302", {"location": "/redirected"}, b"")
    if behaviour in ("hang", "reset"):
        return b""
    status, _, fields = behaviour.partition(":")
    pairs = [pair.partition("=") for pair in fields.split(",") if fields]
    if len(status) != 3 or not status.isdigit() or not all(sign for _, sign, _ in pairs):
        raise ValueError(
            f"{behaviour!r} is no behaviour of a LocalReceiver: give a status ('500', '429:retry-after=30'), "
            "ok, not-ok, wrong-shape, redirect, reset, hang or drip"
        )
    return _encode(status, {name: value for name, _, value in pairs}, b"")


def _encode(status: str, headers: Mapping[str, str], body: bytes) -> bytes:
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} -\r\n{fields}content-length: {len(body)}\r\n\r\n".encode() + body


def _refusing(answer: Any) -> Any:
    if isinstance(answer, dict):
        return {name: _refusing(value) for name, value in answer.items()}
    return False if answer is True else answer
