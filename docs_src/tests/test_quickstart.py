import asyncio
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI, Request
from testkit.serving import served

from ringback.receiver import Receiver

PROGRAM = Path(__file__).resolve().parents[1] / "quickstart" / "app.py"
INVOICE = {"id": "2expen51ve", "customer": "Mr. Richie Rich", "total": "9999"}


@pytest.fixture
def quickstart(monkeypatch: pytest.MonkeyPatch, database_url: str) -> ModuleType:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("ALLOW_NETWORKS", "127.0.0.0/8")
    spec = importlib.util.spec_from_file_location("quickstart_app", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def test_a_paid_invoice_is_called_back_about_as_declared(quickstart: ModuleType) -> None:
    arrived: asyncio.Queue[tuple[Request, Any]] = asyncio.Queue()
    external = FastAPI()

    @external.post("/events/invoices/{invoice_id}")
    async def notification(invoice_id: str, request: Request) -> dict[str, bool]:
        arrived.put_nowait((request, await request.body()))
        return {"ok": True}

    async with (
        served(external) as external_url,
        served(quickstart.app, lifespan="on") as url,
        httpx2.AsyncClient(verify=False, base_url=url) as client,
    ):
        address = {"callback_url": f"{external_url}/events"}
        created = await client.post("/invoices/", params=address, json=INVOICE)
        assert (created.status_code, created.json()) == (200, {"msg": "Invoice received"})
        await client.post("/payments/2expen51ve")
        request, body = await asyncio.wait_for(arrived.get(), 20)
        async with quickstart.sessions.begin() as session:
            secret = await quickstart.ringback.signing_secret(session)
        message = Receiver(secret).verify(request.headers, body, request.scope["raw_path"].decode())
        assert message.json() == {"description": "Payment celebration", "paid": True}
        await quickstart.ringback.drain(timeout=20)
