"""The service on a real socket, with an empty database of its own; nothing is delivered meanwhile."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from sqlalchemy import text
from testkit.postgresql import Server
from testkit.secret_scan import scan
from testkit.serving import served
from testkit.shop import Shop, open_shop

from invoices import migrations
from invoices.app import create_app
from invoices.database import connect
from invoices.settings import Settings
from ringback import Ringback

TUTORIAL = {"id": "2expen51ve", "customer": "Mr. Richie Rich", "total": "9999"}

FILLED = (
    *("ringback_attempts", "ringback_deliveries", "ringback_messages", "ringback_targets"),
    *("ringback_endpoints", "ringback_keys"),
    *("payment_events", "refunds", "payments", "stored_answers"),
    *("invoice_happenings", "invoice_numbers", "invoices", "api_keys"),
)
TABLES = ("invoices", "stored_answers", "payments", "ringback_targets", "ringback_deliveries")


@dataclass
class Service:
    """A service that runs, and ways to reach it and to look into its database."""

    app: FastAPI
    settings: Settings
    client: httpx.AsyncClient

    async def send(
        self, invoice: Any = None, *, callback_url: str | None = None, **options: Any
    ) -> httpx.Response:
        """Post an invoice: the tutorial's, unless another is given; text and bytes are sent as they are."""
        params = {} if callback_url is None else {"callback_url": callback_url}
        raw = isinstance(invoice, (str, bytes))
        body = invoice if raw else json.dumps(TUTORIAL if invoice is None else invoice)
        headers = {"Content-Type": "application/json", **options.pop("headers", {})}
        return await self.client.post("/invoices/", params=params, content=body, headers=headers, **options)

    async def count(self, table: str) -> int:
        async with self.app.state.engine.connect() as connection:
            return int(await connection.scalar(text(f"SELECT count(*) FROM {table}")))

    async def stored(self) -> dict[str, int]:
        """The rows of every table that a request could fill, without the empty ones."""
        counts = {table: await self.count(table) for table in TABLES}
        return {table: count for table, count in counts.items() if count}


Start = Callable[..., AbstractAsyncContextManager[Service]]


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("INVOICES_")]:
            patch.delenv(name)
        yield


@pytest.fixture
def start_service(database_url: str, tmp_path: Path) -> Start:
    """Starts the service with the settings that a test gives."""
    return partial(_started, database_url, tmp_path / "data")


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["sqlite", "postgresql"])
async def shared_service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    """One service for all tests of a module: those that store nothing in it."""
    folder = tmp_path_factory.mktemp("shared")
    if request.param == "sqlite":
        async with _started(f"sqlite+aiosqlite:///{folder / 'test.db'}", folder) as started:
            yield started
        return
    server: Server = request.getfixturevalue("postgresql_server")
    url = server.create_database()
    async with _started(url, folder) as started:
        yield started
    server.drop_database(url)


@pytest_asyncio.fixture(loop_scope="module")
async def service(shared_service: Service) -> AsyncIterator[Service]:
    """The module's service in its open mode, called by this machine; every test finds it empty."""
    yield shared_service
    await asyncio.to_thread(scan.search_database, shared_service.settings.database)
    async with shared_service.app.state.engine.begin() as connection:
        for table in FILLED:
            await connection.execute(text(f"DELETE FROM {table}"))
        await connection.execute(text("DELETE FROM accounts WHERE id <> 'default'"))


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["sqlite", "postgresql"])
async def open_for_all(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Shop]:
    """The whole service on each database, once for a module; each test has its own invoices."""
    folder = tmp_path_factory.mktemp("shop")
    if request.param == "sqlite":
        async with open_shop(f"sqlite+aiosqlite:///{folder / 'test.db'}", folder) as shop:
            yield shop
        return
    server: Server = request.getfixturevalue("postgresql_server")
    url = server.create_database()
    async with open_shop(url, folder) as shop:
        yield shop
    server.drop_database(url)


@pytest.fixture
def shop(open_for_all: Shop) -> Iterator[Shop]:
    """The service without trouble at its front door."""
    yield open_for_all
    open_for_all.front.trouble = None


@asynccontextmanager
async def _started(database_url: str, data_dir: Path, **settings: Any) -> AsyncIterator[Service]:
    values: dict[str, Any] = {
        "database_url": database_url,
        "data_dir": data_dir,
        "base_url": "https://pay.example",
        "worker": "external",
        "payments": "sandbox",
    }
    made = Settings(**values | settings)
    if made.worker == "external":
        await _migrate(made)
    app = create_app(made)
    async with (
        served(app, lifespan="on") as url,
        httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as client,
    ):
        yield Service(app, made, client)


async def _migrate(settings: Settings) -> None:
    engine = connect(settings.database)
    async with engine.begin() as connection:
        await connection.run_sync(migrations.upgrade)
    await Ringback(database=engine, worker="external").migrate()
    await engine.dispose()
