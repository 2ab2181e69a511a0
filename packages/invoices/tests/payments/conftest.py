"""The sandbox, served on a real socket, with the real SDK in front of it and a webhook receiver behind it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from testkit.serving import served

from invoices.payments.provider import CheckoutRequest, Provider
from invoices.payments.sandbox import Sandbox, SandboxConfig

API_KEY = "sk_test_of_these_tests"
WEBHOOK_SECRET = "whsec_of_these_tests"


class Late:
    """An application that is made once its own address is known."""

    app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


@dataclass
class Hook:
    """A webhook receiver: what came, and what it answers."""

    url: str = ""
    status_code: int = 200
    bodies: list[bytes] = field(default_factory=list)
    signatures: list[str] = field(default_factory=list)
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def wait_for(self, count: int) -> None:
        async with asyncio.timeout(10), self.arrived:
            await self.arrived.wait_for(lambda: len(self.bodies) >= count)


@dataclass
class Running:
    """A sandbox that is being served, and ways to reach it."""

    sandbox: Sandbox
    url: str
    provider: Provider
    browser: httpx.AsyncClient

    async def decide(self, session_id: str, decision: str) -> httpx.Response:
        return await self.browser.post(f"{self.url}/checkout/{session_id}", data={"decision": decision})


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    hook = Hook()
    app = FastAPI()

    @app.post("/hook")
    async def receive(request: Request) -> Response:
        async with hook.arrived:
            hook.bodies.append(await request.body())
            hook.signatures.append(request.headers["stripe-signature"])
            hook.arrived.notify_all()
        return Response(status_code=hook.status_code)

    async with served(app) as url:
        hook.url = f"{url}/hook"
        yield hook


Start = Callable[..., AbstractAsyncContextManager[Running]]


@pytest.fixture
def start_sandbox(tmp_path: Path) -> Start:
    """Starts a sandbox; twice with the same file is a restart."""

    @asynccontextmanager
    async def start(webhook_url: str | None = None, **options: Any) -> AsyncIterator[Running]:
        late = Late()
        async with served(late) as url, httpx.AsyncClient(trust_env=False) as browser:
            config = SandboxConfig(url, webhook_url, tmp_path / "sandbox.db", API_KEY, WEBHOOK_SECRET)
            sandbox = Sandbox(config, **options)
            late.app = sandbox.app
            provider = Provider(api_key=API_KEY, webhook_secret=WEBHOOK_SECRET, api_base=url)
            async with sandbox.app.router.lifespan_context(sandbox.app):
                yield Running(sandbox, url, provider, browser)
            await provider.close()

    return start


@pytest.fixture
async def running(start_sandbox: Start) -> AsyncIterator[Running]:
    """A sandbox that never tells."""
    async with start_sandbox() as running:
        yield running


@pytest.fixture
def checkout() -> Callable[..., CheckoutRequest]:
    """A checkout of the tutorial's invoice, with what a test changes about it."""

    def made(**changes: Any) -> CheckoutRequest:
        values: dict[str, Any] = {
            "reference": "pay_1",
            "invoice_id": "2expen51ve",
            "account_id": "default",
            "amount": 999_900,
            "currency": "USD",
            "title": "Invoice 2expen51ve",
            "customer_email": None,
            "success_url": "http://127.0.0.1:9/pay/token?returned=1",
            "cancel_url": "http://127.0.0.1:9/pay/token",
        }
        return CheckoutRequest(**values | changes)

    return made
