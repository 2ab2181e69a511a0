"""The whole invoicing service on a real socket, and a front door at which tests can make things go wrong."""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI, Request, Response
from sqlalchemy import text
from starlette.types import Receive, Scope, Send
from testkit.serving import served

from invoices.app import create_app
from invoices.payments.keys import ProviderKeys
from invoices.payments.sandbox.announcer import signature
from invoices.settings import Settings

__all__ = ["Front", "Receiver", "Shop", "open_shop"]

Trouble = Callable[[Request], Awaitable[Response | None]]


@dataclass
class Front:
    """What stands before the service. `trouble` may answer in its place; `seen` is what has come."""

    app: Any = None
    trouble: Trouble | None = None
    seen: list[tuple[str, str]] = field(default_factory=list)
    busy: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the trouble answer, if there is any; otherwise the service."""
        self.seen.append((scope["method"], scope["path"]))
        self.busy += 1
        try:
            answer = await self.trouble(Request(scope, receive)) if self.trouble else None
            await (answer or self.app)(scope, receive, send)
        finally:
            self.busy -= 1

    async def close(self) -> None:
        """Let nobody in any more, and wait until those who are inside have left, as a server does."""

        async def closed(_request: Request) -> Response:
            return Response(status_code=503)

        self.trouble = closed
        async with asyncio.timeout(15):
            while self.busy:  # noqa: ASYNC110 - each takes itself out
                await asyncio.sleep(0.01)

    def count(self, method: str, beginning: str) -> int:
        """How many requests have come whose path begins like this."""
        return sum(found == method and path.startswith(beginning) for found, path in self.seen)


@dataclass
class Receiver:
    """An external API that counts what it is told and answers as declared."""

    url: str = ""
    bodies: list[Any] = field(default_factory=list)


@dataclass
class Shop:
    """A running service, and what its customers, its provider and its operator do with it."""

    url: str
    app: FastAPI
    front: Front
    browser: httpx.AsyncClient
    receiver: Receiver

    async def invoice(self, **changes: Any) -> dict[str, Any]:
        """Create an invoice and return the answer."""
        invoice = {"id": f"i{secrets.token_hex(4)}", "customer": "Mr. Richie Rich", "total": "9999"} | changes
        answer = await self.browser.post(
            f"{self.url}/invoices/", json=invoice, params={"callback_url": self.receiver.url}
        )
        answer.raise_for_status()
        return dict(answer.json())

    async def state(self, invoice: dict[str, Any]) -> dict[str, Any]:
        """The invoice as the API shows it now."""
        answer = await self.browser.get(f"{self.url}/invoices/{invoice['id']}")
        answer.raise_for_status()
        return dict(answer.json())

    async def begin(self, invoice: dict[str, Any]) -> str:
        """Go and pay; return the checkout's URL."""
        answer = await self.browser.post(invoice["pay_url"])
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    async def decide(self, checkout_url: str, decision: str) -> httpx.Response:
        """Press a button of the checkout."""
        return await self.browser.post(checkout_url, data={"decision": decision})

    async def session(self, checkout_url: str) -> dict[str, Any]:
        """A checkout session as the provider knows it."""
        found = await self.app.state.sandbox.ledger.session(checkout_url.rpartition("/")[2])
        return {name: value for name, value in found.items() if name != "sandbox"}

    async def tell(self, kind: str, subject: dict[str, Any], **changes: Any) -> httpx.Response:
        """Post a signed event, as the provider would."""
        event = {
            "id": f"evt_{secrets.token_hex(8)}",
            "object": "event",
            "created": int(time.time()),
            "livemode": False,
            "type": kind,
            "data": {"object": subject},
        } | changes
        payload = json.dumps(event)
        secret = ProviderKeys.of(self.app.state.settings).webhook_secret
        headers = {"Stripe-Signature": signature(secret, int(time.time()), payload)}
        return await self.browser.post(f"{self.url}/payments/stripe", content=payload, headers=headers)

    async def rows(self, query: str, **values: Any) -> list[dict[str, Any]]:
        """What the database says."""
        async with self.app.state.sessions() as session:
            return [dict(row._mapping) for row in await session.execute(text(query), values)]

    async def payments(self, invoice: dict[str, Any]) -> list[dict[str, Any]]:
        """The payments that were begun for an invoice, first to last."""
        return await self.rows(
            "SELECT payments.* FROM payments JOIN invoices ON invoices.pk = payments.invoice_pk "
            "WHERE invoices.id = :id ORDER BY attempt",
            id=invoice["id"],
        )

    async def events(self, invoice: dict[str, Any]) -> list[dict[str, Any]]:
        """The provider's events about an invoice, by their time of arrival."""
        references = [payment["reference"] for payment in await self.payments(invoice)]
        rows = await self.rows("SELECT * FROM payment_events ORDER BY received_at")
        return [row for row in rows if row["reference"] in references]

    async def told(self, invoice: dict[str, Any]) -> list[Any]:
        """What the external API was told about an invoice, once it was told something."""

        async def bodies() -> list[Any]:
            return [body for body in self.receiver.bodies if body["id"] == invoice["id"]]

        return list(await self.until(bodies))

    async def pass_time(self, span: timedelta) -> None:
        """Let what waits for a date or a retry be due this much earlier, as if so much time had passed."""
        seconds = span.total_seconds() + 1
        async with self.app.state.sessions.begin() as session:
            moved = "UPDATE ringback_deliveries SET due_at = due_at - :seconds WHERE state = 'pending'"
            await session.execute(text(moved), {"seconds": seconds})
        await self.app.state.ringback.drain()

    async def until(self, check: Callable[[], Awaitable[Any]]) -> Any:
        """Ask again until the answer is true, for at most 15 seconds."""
        async with asyncio.timeout(15):
            while not (found := await check()):  # noqa: ASYNC110 - only the database knows
                await asyncio.sleep(0.02)
            return found

    async def until_paid(self, invoice: dict[str, Any]) -> None:
        """Wait until the API says that the invoice is paid."""

        async def is_paid() -> bool:
            return bool((await self.state(invoice))["status"] == "paid")

        await self.until(is_paid)


@asynccontextmanager
async def open_shop(database_url: str, data_dir: Path, **settings: Any) -> AsyncIterator[Shop]:
    """Serve the service on a free port of this machine, with an external API beside it."""
    front, receiver = Front(), Receiver()
    async with (
        served(_external(receiver)) as external,
        served(front) as url,
        httpx.AsyncClient(trust_env=False, timeout=30) as browser,
    ):
        receiver.url = external
        values = {"callback_allow_networks": ["127.0.0.0/8"], "base_url": url} | settings
        front.app = app = create_app(Settings(database_url=database_url, data_dir=data_dir, **values))
        async with app.router.lifespan_context(app):
            yield Shop(url, app, front, browser, receiver)
            await front.close()


def _external(receiver: Receiver) -> FastAPI:
    app = FastAPI()

    @app.post("/invoices/{invoice_id}")
    async def notified(invoice_id: str, request: Request) -> dict[str, bool]:
        receiver.bodies.append({"id": invoice_id} | await request.json())
        return {"ok": True}

    return app
