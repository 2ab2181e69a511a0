"""An app with the panel, on a real socket, and a way to ask it for tests."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import httpx2
import pytest
import pytest_asyncio
from fastapi import Depends, FastAPI, Header, HTTPException
from testkit.serving import served
from testkit.tutorial import Invoice, callbacks, invoice_notification

from ringback import Ringback
from ringback.panel import mount_test_panel


def signed_in(x_key: Annotated[str, Header()] = "") -> str:
    if not x_key:
        raise HTTPException(401, "who is it?")
    return x_key


@dataclass
class Office:
    """`client` speaks to the app."""

    app: FastAPI
    ringback: Ringback
    client: httpx2.AsyncClient

    async def ask(
        self, url: str, *, key: str = "acme", callback: str = "invoice_notification", **headers: str
    ) -> Any:
        wanted = {"path": "/invoices/", "method": "post", "callback": callback, "url": url}
        answer = await self.client.post("/callback-tests", json=wanted, headers={"x-key": key, **headers})
        assert answer.headers["content-type"] == "application/json"
        return answer

    async def told(self, url: str, **options: Any) -> Any:
        answer = await self.ask(url, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()


@asynccontextmanager
async def opened(folder: Path, **panel: Any) -> AsyncIterator[Office]:
    app = FastAPI()
    database = f"sqlite+aiosqlite:///{folder / 'test.db'}"
    ringback = Ringback(app, database=database, allow_networks=["127.0.0.0/16"])
    ringback.acknowledge(invoice_notification, lambda answer: answer.ok)

    @app.post("/invoices/", callbacks=callbacks.routes)
    def create_invoice(invoice: Invoice, callback_url: str) -> None: ...

    chosen: dict[str, Any] = {
        "dependencies": [Depends(signed_in)],
        "owner": signed_in,
        "per_minute": 1e6,
        "timeout": 10.0,
    }
    mount_test_panel(app, **(chosen | panel))
    async with (
        served(app, lifespan="on") as url,
        httpx2.AsyncClient(base_url=url, trust_env=False, timeout=30) as client,
    ):
        yield Office(app, ringback, client)


@pytest.fixture
def open_office(tmp_path: Path) -> Callable[..., AbstractAsyncContextManager[Office]]:
    """An app of this test's own, with these settings of the panel."""
    return partial(opened, tmp_path)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def office(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Office]:
    """One app for all tests of a module: a test delivery leaves nothing behind."""
    async with opened(tmp_path_factory.mktemp("office")) as office:
        yield office
