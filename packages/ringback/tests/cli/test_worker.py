"""`ringback worker` as a process of its own, with a real receiver and real signals."""

import asyncio
import contextlib
import logging
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from ringback import Exchange
from ringback._store import reports
from ringback.cli._loading import load_ringback
from ringback.testing import LocalReceiver

Books = Any
Run = Any


class Worker:
    """A running ``ringback worker``; its streams go into one file."""

    def __init__(self, *arguments: str) -> None:
        self.log = Path("worker.log")
        with self.log.open("w") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ringback", "worker", *arguments], stdout=stream, stderr=stream
            )

    @property
    def words(self) -> str:
        return self.log.read_text()

    def until(self, condition: Callable[[], Any], *, seconds: float = 30.0) -> None:
        """Look again until it is so; fails with what the worker said if it takes too long or has ended."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, f"it ended: {self.words}"
            assert time.monotonic() < deadline, f"not in {seconds} s: {self.words}"
            time.sleep(0.02)

    def until_it_says(self, words: str) -> None:
        self.until(lambda: words in self.words)

    def tell(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ended(self, *, seconds: float = 30.0) -> int:
        return self.process.wait(seconds)


@pytest.fixture
def start() -> "Iterator[Start]":
    started: list[Worker] = []

    def begin(*arguments: str) -> Worker:
        started.append(Worker(*arguments))
        return started[-1]

    yield begin
    for worker in started:
        if worker.process.poll() is None:
            worker.process.kill()
        worker.process.wait()


Start = Callable[..., Worker]


@dataclass
class Gate:
    """A receiver that answers as declared when it is opened."""

    url: str = ""
    reached: threading.Event = field(default_factory=threading.Event)
    open: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            gate.reached.set()
            gate.open.wait(60)
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.end_headers()
            with contextlib.suppress(ConnectionError):
                self.wfile.write(b'{"ok":true}')

        def log_message(self, *_: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        gate.url = f"http://127.0.0.1:{server.server_port}"
        yield gate
        gate.open.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def logging_restored() -> Iterator[None]:
    """The command sets up logging for its process; within the tests' own it is put back."""
    before = {name: logging.getLogger(name).level for name in ("", "alembic", "ringback", "ringback.attempt")}
    yield
    logging.captureWarnings(False)
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


@pytest.fixture
def receiver() -> Iterator[LocalReceiver]:
    with LocalReceiver() as receiver:
        yield receiver


def owe(url: str, *keys: str) -> None:
    """What the app's own process does: bind, send and commit."""
    ringback = load_ringback("shop:app", factory=False)
    shop = sys.modules["shop"]

    async def inside() -> None:
        async with ringback.transaction() as session:
            for key in keys:
                exchange = Exchange(query={"callback_url": url}, body={"id": key})
                await ringback.bind(session, "create_invoice", key=key, exchange=exchange)
                event = shop.InvoiceEvent(description="Payment celebration", paid=True)
                await ringback.to(session, key=key).send(shop.invoice_notification, event)
        await ringback.engine.dispose()

    asyncio.run(inside())


def state(shop: Books, key: str) -> str:
    [one] = shop.do(lambda c, _: reports.list_deliveries(c, key=key))
    return str(one.state)


def test_it_delivers_what_another_process_committed(
    shop: Books, receiver: LocalReceiver, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = make_url(shop.url)
    if url.get_backend_name() == "postgresql":
        # A server that trusts this machine does not look at the password.
        url = url.set(password=url.password or "topsecret")
        monkeypatch.setenv("SHOP_DATABASE", url.render_as_string(hide_password=False))
    worker = start("shop:create_app", "--factory", "--concurrency", "10")
    worker.until_it_says("delivering from")
    owe(receiver.url, "a", "b")
    worker.until(lambda: len(receiver.requests) == 2)
    worker.until(lambda: {state(shop, "a"), state(shop, "b")} == {"delivered"})
    worker.tell(signal.SIGTERM)
    assert worker.ended() == 0
    assert sorted(request.target for request in receiver.requests) == ["/invoices/a", "/invoices/b"]
    assert receiver.requests[0].json() == {"description": "Payment celebration", "paid": True}
    lines = worker.words.splitlines()
    assert re.fullmatch(
        r"20\S+Z INFO ringback.worker delivering from \S+: 1 callback contract, 1 channel of the app's own",
        lines[0],
    )
    attempts = [line for line in lines if " ringback.attempt id=msg_" in line]
    assert ["state=delivered" in line for line in attempts] == [True, True]
    assert lines[-1].endswith("INFO ringback.worker stopped")
    assert url.password is None or f":{url.password}@" not in worker.words


def test_an_attempt_that_runs_may_end_after_sigterm(sqlite_shop: Books, gate: Gate, start: Start) -> None:
    Path("uvloop.py").write_text(
        "import asyncio, sys\n"
        "def new_event_loop():\n"
        "    print('a loop of uvloop', file=sys.stderr)\n"
        "    return asyncio.new_event_loop()\n"
    )
    owe(gate.url, "slow")
    worker = start("shop:app")
    worker.until(gate.reached.is_set)
    worker.tell(signal.SIGINT)
    worker.until_it_says("stopping")
    gate.open.set()
    assert worker.ended() == 0
    assert state(sqlite_shop, "slow") == "delivered"
    assert "a loop of uvloop" in worker.words, "it is used where it is installed"


def test_the_grace_time_ends_and_the_attempt_is_written_down(
    sqlite_shop: Books, gate: Gate, start: Start
) -> None:
    owe(gate.url, "hanging")
    worker = start("shop:app", "--grace", "0.2", "--quiet")
    worker.until(gate.reached.is_set)
    worker.tell(signal.SIGTERM)
    assert worker.ended(seconds=10) == 0
    [one] = sqlite_shop.do(lambda c, _: reports.list_deliveries(c, key="hanging"))
    assert (one.state, one.attempts) == ("pending", 1)
    assert "the worker stopped" in one.verdict
    assert "ringback.attempt" not in worker.words, "--quiet logs no line for an attempt"


def test_a_second_signal_ends_it_at_once(sqlite_shop: Books, gate: Gate, start: Start) -> None:
    owe(gate.url, "hanging")
    worker = start("shop:app", "--grace", "60")
    worker.until(gate.reached.is_set)
    worker.tell(signal.SIGTERM)
    worker.until_it_says("stopping")
    worker.tell(signal.SIGTERM)
    assert worker.ended(seconds=10) == -signal.SIGTERM
    assert state(sqlite_shop, "hanging") == "sending", "its lease runs out and another worker takes over"


@pytest.mark.usefixtures("logging_restored", "sqlite_shop")
def test_tables_that_are_missing_are_not_made_for_an_external_worker(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_DATABASE", f"sqlite:///{tmp_path / 'new.db'}")
    ran = run("worker", "shop:app")
    assert ran.code == 1
    assert "Run `ringback migrate module:app`" in ran.err


@pytest.mark.usefixtures("logging_restored", "sqlite_shop")
def test_a_database_that_is_down_is_told_in_a_sentence(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_DATABASE", "postgresql://127.0.0.1:1/shop")
    ran = run("worker", "shop:app")
    assert ran.code == 1
    assert "postgresql://127.0.0.1:1/shop cannot be opened" in ran.err


@pytest.mark.usefixtures("logging_restored", "sqlite_shop")
@pytest.mark.parametrize(
    ("name", "code", "says"),
    [
        ("nosuch:app", 1, "There is no module 'nosuch'"),
        ("shop:without_ringback", 1, "Add `Ringback(app)`"),
        ("not/a/name", 2, "Write it as module:app"),
    ],
)
def test_an_app_that_cannot_be_loaded(run: Run, name: str, code: int, says: str) -> None:
    ran = run("worker", name)
    assert ran.code == code
    assert says in ran.words
