"""A console on a real socket, over deliveries in every state, and an operator who uses it."""

import asyncio
import itertools
import re
import shutil
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from sqlalchemy import Connection, make_url, text
from testkit.postgresql import Server
from testkit.serving import served

from ringback import Delivery, Outcome, Ringback
from ringback._store.results import Result
from ringback._store.tables import metadata
from ringback._types import State
from ringback.console import Console
from ringback.testing import Clock

SECRET = "a-secret-that-nobody-guesses-0123456789"
Value = TypeVar("Value")


def new_client(**options: Any) -> httpx.AsyncClient:
    # Reading the system's certificates takes longer than most of these tests.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return httpx.AsyncClient(trust_env=False, timeout=30, verify=context, **options)


@dataclass
class Operator:
    """A browser without scripts: it keeps cookies and sends forms as they stand on the page."""

    client: httpx.AsyncClient
    base: str

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return await self.client.get(f"{self.base}{path}", **options)

    async def post(self, path: str, **fields: str) -> httpx.Response:
        """Send a form from this site, exactly these fields."""
        headers = {"Origin": self.base.removesuffix("/console")}
        return await self.client.post(f"{self.base}{path}", data=fields, headers=headers)

    async def submit(self, path: str, **fields: str) -> httpx.Response:
        """Open the page at `path` and press the button of its main form."""
        return await self.post(path, token=await self.token(path), **fields)

    async def token(self, path: str = "/sign-in") -> str:
        found = re.findall(r'name="token" value="(\w+)"', (await self.get(path)).text)
        return str(found[-1])

    async def sign_in(self, secret: str = SECRET) -> httpx.Response:
        return await self.submit("/sign-in", secret=secret)

    def another(self) -> "Operator":
        """One with a browser of its own, whose cookies are the same."""
        return Operator(new_client(cookies=self.client.cookies), self.base)


@dataclass
class Office:
    """A Ringback whose worker is played by the test, and its console."""

    ringback: Ringback
    clock: Clock
    operator: Operator
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    async def do(self, work: Callable[[Connection], Value]) -> Value:
        async with self.ringback.engine.begin() as connection:
            return await connection.run_sync(work)

    async def owe(self, key: str = "2expen51ve", **changes: Any) -> str:
        """Owe one callback of a target of its own; returns its message id."""
        number = next(self.numbers)
        values: dict[str, Any] = {
            "message_id": f"msg_{number:03}_abcdef12",
            "channel": "http",
            "owner": "",
            "destination": f"https://api.example:443 {changes.get('owner', '')}",
            "endpoint": "https://api.example/events",
            "sequence": None,
            "operation": "create_invoice",
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
        targets = self.ringback._store.targets

        def work(connection: Connection) -> None:
            urls = {"invoice_notification": {"url": values["url"]}}
            target = targets.add(connection, values["owner"], f"op{number}", key, urls)
            assert targets.add_delivery(connection, {"target_id": target} | values) is not None

        await self.do(work)
        return str(values["message_id"])

    async def attempt(self, id_: str, state: State | None = State.DELIVERED, **result: Any) -> None:
        """Let a worker attempt a delivery; without a state the attempt goes on."""
        store = self.ringback._store
        values: dict[str, Any] = {"delay": 300.0, "duration": 0.25, "verdict": "as told"} | result

        def work(connection: Connection) -> None:
            query = text("SELECT id FROM ringback_messages WHERE message_id = :id")
            row = connection.execute(query, {"id": id_}).scalar_one()
            [one] = store.claims.claim(connection, [row], worker="w:1:abc", lease=60)
            if state is not None:
                ended = Result(one.id, one.number, one.owner, one.endpoint, state, **values)
                assert store.results.record(connection, [ended])

        await self.do(work)

    async def ended(self, state: State, key: str = "2expen51ve", **changes: Any) -> str:
        id_ = await self.owe(key, **changes)
        await self.attempt(id_, state)
        return id_

    async def state(self, id_: str) -> str:
        both = "ringback_deliveries JOIN ringback_messages USING (id)"
        query = text(f"SELECT state FROM {both} WHERE message_id = :id")
        return await self.do(lambda connection: str(connection.execute(query, {"id": id_}).scalar_one()))

    async def everything(self) -> list[Any]:
        """All rows of all tables, to be compared."""

        def work(connection: Connection) -> list[Any]:
            tables = [table for table in metadata.sorted_tables if table.name.startswith("ringback_")]
            return [(t.name, sorted(map(repr, connection.execute(t.select())))) for t in tables]

        return await self.do(work)


OpenOffice = Callable[..., AbstractAsyncContextManager[Office]]


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty SQLite database with all tables, to be copied."""
    path = tmp_path_factory.mktemp("console") / "migrated.db"

    asyncio.run(migrated(f"sqlite+aiosqlite:///{path}"))
    return path


@pytest.fixture
def sqlite_url(tmp_path: Path, migrated_file: Path) -> str:
    shutil.copy(migrated_file, tmp_path / "test.db")
    return f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"


@pytest.fixture(scope="session")
def postgresql_database(postgresql_server: Server) -> Iterator[str]:
    """One migrated database for all tests of this folder: emptying it is faster than making another."""
    url = postgresql_server.create_database()
    asyncio.run(migrated(url))
    yield url
    postgresql_server.drop_database(url)


@pytest.fixture
def postgresql_url(postgresql_database: str) -> Iterator[str]:
    yield postgresql_database
    names = ", ".join(table.name for table in metadata.sorted_tables)
    address = make_url(postgresql_database).set(drivername="postgresql")
    with psycopg.connect(address.render_as_string(hide_password=False)) as connection:
        connection.execute(f"TRUNCATE {names} RESTART IDENTITY".encode())


async def migrated(url: str) -> None:
    ringback = Ringback(database=url, worker="external")
    await ringback.migrate()
    await ringback.engine.dispose()


@asynccontextmanager
async def opened(database: str, **settings: Any) -> AsyncIterator[Office]:
    clock = Clock()
    app = FastAPI()
    ringback = Ringback(app, database=database, worker="external", now=clock)

    async def mail(_delivery: Delivery) -> Outcome:
        return Outcome.delivered()

    ringback.channel("mail", mail)
    values: dict[str, Any] = {"secret": SECRET, "now": clock}
    app.mount("/console", Console(ringback, **values | settings))
    try:
        async with served(app) as url, new_client() as client:
            yield Office(ringback, clock, Operator(client, f"{url}/console"))
    finally:
        await ringback.engine.dispose()


@pytest.fixture
def open_office(sqlite_url: str) -> OpenOffice:
    """`async with open_office(**settings) as office`: with a console of these settings, on SQLite."""
    return lambda **settings: opened(sqlite_url, **settings)


@pytest.fixture
async def office(open_office: OpenOffice) -> AsyncIterator[Office]:
    """An office whose operator has not signed in."""
    async with open_office() as office:
        yield office


@pytest.fixture
async def desk(database_url: str) -> AsyncIterator[Office]:
    """An office on each database, whose operator is signed in."""
    async with opened(database_url) as office:
        await office.operator.sign_in()
        yield office


@pytest.fixture
def words() -> Callable[[httpx.Response], str]:
    """What a page says, without its marks."""

    def words(page: httpx.Response) -> str:
        return " ".join(unescape(re.sub(r"<[^>]*>", " ", page.text)).split())

    return words
