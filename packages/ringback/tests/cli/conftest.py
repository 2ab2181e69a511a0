"""The command as people run it, on real databases with deliveries in every state."""

import asyncio
import contextlib
import itertools
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy import Connection

from ringback._database import engine_for
from ringback._master_keys import MasterKeyFinder
from ringback._migrations import upgrade
from ringback._store.results import Result
from ringback._store.store import Store
from ringback._types import State
from ringback.cli import main

Value = TypeVar("Value")

SHOP = """
import os

from fastapi import APIRouter, FastAPI
from pydantic import BaseModel

from ringback import Callbacks, Delivery, Outcome, Ringback


class Invoice(BaseModel):
    id: str


class InvoiceEvent(BaseModel):
    description: str
    paid: bool


class InvoiceEventReceived(BaseModel):
    ok: bool


router = APIRouter()


@router.post("{$callback_url}/invoices/{$request.body.id}", response_model=InvoiceEventReceived)
def invoice_notification(body: InvoiceEvent): ...


def create_app() -> FastAPI:
    app = FastAPI()

    @app.post("/invoices/", callbacks=router.routes, operation_id="create_invoice")
    async def create_invoice(invoice: Invoice, callbacks: Callbacks, callback_url: str): ...

    ringback = Ringback(
        app,
        database=os.environ["SHOP_DATABASE"],
        worker=os.environ.get("SHOP_WORKER", "external"),
        allow_networks=["127.0.0.0/8"],
        attempt_timeout=30.0,
    )

    async def mail(delivery: Delivery) -> Outcome:
        return Outcome.delivered("written")

    ringback.channel("mail", mail)
    return app


app = create_app()
without_ringback = FastAPI()
"""


@dataclass(frozen=True)
class Ran:
    """What a run of the command left: its exit code and its two streams."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def words(self) -> str:
        """Both streams without the line breaks and frames of the terminal."""
        return " ".join((self.out + self.err).replace("│", " ").split())


Run = Callable[..., Ran]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command in an empty folder, wide enough that nothing is folded."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "shop", raising=False)
    monkeypatch.delenv("RINGBACK_DATABASE", raising=False)
    monkeypatch.setenv("COLUMNS", "300")

    def run(*arguments: str) -> Ran:
        capsys.readouterr()
        code: Any = 0
        with contextlib.suppress(SystemExit):
            try:
                main(arguments)
            except SystemExit as end:
                code = end.code
        streams = capsys.readouterr()
        assert "Traceback" not in streams.out + streams.err
        return Ran(int(code or 0), streams.out, streams.err)

    return run


@dataclass
class Books:
    """A migrated database, and shorthands that each use one transaction of their own."""

    url: str
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def do(self, work: Callable[[Connection, Store], Value]) -> Value:
        async def inside() -> Value:
            engine = engine_for(self.url)
            try:
                async with engine.begin() as connection:
                    store = Store(engine.dialect.name, master_keys=MasterKeyFinder(None, engine.url))
                    return await connection.run_sync(lambda c: work(c, store))
            finally:
                await engine.dispose()

        return asyncio.run(inside())

    def owe(self, key: str = "2expen51ve", **changes: Any) -> str:
        """Owe one callback of a target of its own; returns its message id."""
        number = next(self.numbers)
        values: dict[str, Any] = {
            "message_id": f"msg_{number:03}_abcdef12",
            "channel": "http",
            "owner": "",
            "destination": "https://api.example:443 ",
            "endpoint": "https://api.example/events",
            "sequence": None,
            "operation": f"op{number}",
            "callback": "invoice_notification",
            "contract": "f",
            "method": "POST",
            "url": f"https://api.example/events/invoices/{key}",
            "headers": [["content-type", "application/json"]],
            "body": b'{"description":"Payment celebration","paid":true}',
            "idempotency_key": None,
            "delay": 0.0,
        }
        values |= changes

        def work(connection: Connection, store: Store) -> None:
            urls = {"invoice_notification": {"url": values["url"]}}
            target = store.targets.add(connection, values["owner"], values["operation"], key, urls)
            assert store.targets.add_delivery(connection, values | {"target_id": target}) is not None

        self.do(work)
        return str(values["message_id"])

    def attempt(self, *ids: str, state: State = State.DELIVERED, **result: Any) -> None:
        """Let a worker attempt everything that is due and record the result of those named."""

        values: dict[str, Any] = {"delay": 300.0, "duration": 0.25, "verdict": "as told"} | result

        def work(connection: Connection, store: Store) -> None:
            names = store.claims.destinations(connection, after="", limit=100)
            found = store.claims.candidates(connection, names, 1000)
            claimed = store.claims.claim(connection, [c.id for c in found], worker="w:1:abc", lease=60)
            results = [
                Result(
                    id=one.id,
                    number=one.number,
                    owner=one.owner,
                    endpoint=one.endpoint,
                    state=state,
                    **values,
                )
                for one in claimed
                if one.message_id in ids
            ]
            assert len(results) == len(ids)
            assert len(store.results.record(connection, results)) == len(ids)

        self.do(work)

    def ended(self, state: State, key: str = "2expen51ve", **changes: Any) -> str:
        """A delivery that was attempted once and ended so."""
        id_ = self.owe(key, **changes)
        self.attempt(id_, state=state)
        return id_


@pytest.fixture
def books(database_url: str) -> Books:
    books = Books(database_url)
    books.do(lambda connection, _store: upgrade(connection))
    return books


@pytest.fixture
def sqlite_books(sqlite_url: str) -> Books:
    """For what no database makes a difference to."""
    books = Books(sqlite_url)
    books.do(lambda connection, _store: upgrade(connection))
    return books


@pytest.fixture
def open_shop(run: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Books], Books]]:
    """Puts ``shop.py`` into the present folder: an app (and a factory) on the database of the books."""

    def opened(books: Books) -> Books:
        Path("shop.py").write_text(SHOP)
        monkeypatch.setenv("SHOP_DATABASE", books.url)
        return books

    yield opened
    sys.modules.pop("shop", None)


@pytest.fixture
def shop(open_shop: Callable[[Books], Books], books: Books) -> Books:
    return open_shop(books)


@pytest.fixture
def sqlite_shop(open_shop: Callable[[Books], Books], sqlite_books: Books) -> Books:
    return open_shop(sqlite_books)
