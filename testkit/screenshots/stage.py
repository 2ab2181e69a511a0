"""The demo with a day's business on top: customers who pay or decline, receivers that answer or do not."""

import asyncio
import os
import random
import re
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx
from fastapi import FastAPI, Response
from testkit.serving import served

from invoices.demo.form import find_form

__all__ = ["FLAKY", "Stage", "staged"]

START_SECONDS: Final = 120.0
SETTLE_SECONDS: Final = 60.0

_LINK = re.compile(r"^\s+(documentation|hosted page|console|its secret|external API)\s+(\S+)\s*$")

CUSTOMERS: Final = (
    ("Ada Lovelace", "Analytical engine, one week", "1250.00"),
    ("Grace Hopper", "Compiler workshop", "980.00"),
    ("Société Générale des Phares", "Lens No. 4, ground and polished", "15400.00"),
    ("Søren Kierkegaard", "Either, and Or", "42.50"),
    ("株式会社そら", "Sky survey, autumn", "7300.00"),
    ("Ivan Petrov", "Samovar, restored", "310.00"),
    ("Mary Seacole", "Provisions, four crates", "615.20"),
    ("Zoë Ångström", "Spectrum, calibrated", "2750.00"),
)
FLAKY: Final = "2026-0006"
"""The invoice whose callback arrives at the second attempt."""

LINES: Final = [
    {"description": "Design of the callback contract", "quantity": 3, "unit_price": "480.00", "tax_rate": 19},
    {"description": "Delivery, signed and in order", "quantity": 12, "unit_price": "95.50", "tax_rate": 19},
    {"description": "Printed handbook", "quantity": 2, "unit_price": "24.00", "tax_rate": 7},
]

FULL: Final[dict[str, Any]] = {
    "customer": "Nordlicht Werkstätten GmbH",
    "customer_email": "accounts@nordlicht.example",
    "customer_address": "Hafenstraße 7\n20457 Hamburg",
    "lines": LINES,
    "currency": "EUR",
    "notes": "Thank you. Please pay within two weeks.",
}


@dataclass
class Stage:
    """The running demo. Its URLs have no slash at the end; `pages` are hosted pages and checkouts by name."""

    service: str
    console: str
    console_secret: str
    receivers: str
    client: httpx.AsyncClient
    pages: dict[str, str] = field(default_factory=dict)

    async def processing(self, invoice_id: str) -> str:
        """The page of an invoice whose payment takes a while: five seconds, after which it is paid."""
        page = await self.order(invoice_id, title="Callbacks, by bank transfer", **FULL)
        await self.decide(page, "approve_later")
        return page

    async def order(self, invoice_id: str, *, path: str = "/events", **body: Any) -> str:
        """Post an invoice, as an API user does; returns its hosted page."""
        answer = await self.client.post(
            f"{self.service}/invoices/",
            params={"callback_url": f"{self.receivers}{path}"},
            json={"id": invoice_id, **body},
        )
        answer.raise_for_status()
        return str(answer.json()["pay_url"])

    async def checkout(self, page: str) -> str:
        """Go from a hosted page to the checkout, as a customer does."""
        form = find_form((await self.client.get(page)).text, page)
        answer = await self.client.post(form.action, data=form.fields)
        return str(answer.headers["location"])

    async def decide(self, page: str, decision: str) -> str:
        """Press one of the checkout's buttons; returns the checkout."""
        checkout = await self.checkout(page)
        form = find_form((await self.client.get(checkout)).text, checkout)
        answer = await self.client.post(form.action, data=form.pressed("decision", decision))
        back = answer.headers.get("location")
        if back is None:
            answer.raise_for_status()
        elif back != checkout:
            await self.client.get(back)
        return checkout

    async def delivery(self, invoice_id: str, *, attempts: int) -> str:
        """The id of an invoice's first callback, once it was attempted so often."""
        async with asyncio.timeout(SETTLE_SECONDS):
            while True:
                answer = await self.client.get(f"{self.service}/invoices/{invoice_id}")
                for found in answer.json()["deliveries"]:
                    if found["attempts"] >= attempts and found["state"] != "sending":
                        return str(found["id"])
                await asyncio.sleep(0.1)


@asynccontextmanager
async def staged(folder: Path, minutes: float) -> AsyncIterator[Stage]:
    """`invoices demo`, played to its end and serving on, and then so many minutes of business."""
    async with AsyncExitStack() as stack:
        receivers = await stack.enter_async_context(served(_receivers()))
        links = await stack.enter_async_context(_demo(folder))
        client = await stack.enter_async_context(httpx.AsyncClient(trust_env=False, timeout=30))
        stage = Stage(
            service=links["documentation"].removesuffix("/docs"),
            console=links["console"].rstrip("/"),
            console_secret=links["its secret"],
            receivers=receivers,
            client=client,
        )
        await _business(stage, minutes)
        yield stage


@asynccontextmanager
async def _demo(folder: Path) -> AsyncIterator[dict[str, str]]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("INVOICES_")}
    variables = {**kept, "NO_COLOR": "1", "COLUMNS": "500", "PYTHONUNBUFFERED": "1"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "invoices", "demo", "--data-dir", str(folder / "demo")),
        env=variables,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    reader: asyncio.Task[Any] | None = None
    try:
        links = await asyncio.wait_for(_links(process), START_SECONDS)
        assert process.stdout is not None
        reader = asyncio.create_task(process.stdout.read())  # a full pipe would stop it
        yield links
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        if reader is not None:
            await reader


async def _links(process: asyncio.subprocess.Process) -> dict[str, str]:
    """What the demo says at its end."""
    assert process.stdout is not None
    links: dict[str, str] = {}
    told = ""
    async for line in process.stdout:
        told += line.decode()
        if found := _LINK.match(line.decode()):
            links[found[1]] = found[2]
        if "external API" in links:
            return links
    raise RuntimeError(f"the demo ended before it served on:\n{told}")


def _receivers() -> FastAPI:
    """External APIs of several kinds, by the beginning of their paths."""
    app = FastAPI()
    seen: set[str] = set()

    @app.post("/events/invoices/{invoice_id}")
    async def well() -> dict[str, bool]:
        return {"ok": True}

    @app.post("/broken/invoices/{invoice_id}")
    async def broken() -> Response:
        return Response('{"error": "upstream timed out"}', 503, media_type="application/json")

    @app.post("/flaky/invoices/{invoice_id}")
    async def flaky(invoice_id: str) -> Response:
        if invoice_id not in seen:
            seen.add(invoice_id)
            return Response('{"error": "restarting"}', 503, media_type="application/json")
        return Response('{"ok": true}', media_type="application/json")

    @app.post("/gone/invoices/{invoice_id}")
    async def gone() -> Response:
        return Response("", 410)

    @app.post("/odd/invoices/{invoice_id}")
    async def odd() -> dict[str, str]:
        return {"status": "accepted"}

    return app


async def _business(stage: Stage, minutes: float) -> None:
    """Invoices in every state, with callbacks that ended in every way."""
    orders = max(24, round(minutes * 5))
    chance = random.Random(7)  # noqa: S311 (the same day each time)
    for number in range(1, orders + 1):
        customer, title, total = CUSTOMERS[number % len(CUSTOMERS)]
        path = {5: "/broken", 6: "/flaky", 11: "/odd", 17: "/gone"}.get(number % 24, "/events")
        page = await stage.order(f"2026-{number:04}", path=path, customer=customer, title=title, total=total)
        if number % 4:
            await stage.decide(page, "approve")
        await asyncio.sleep(2 * chance.random() * minutes * 60 / orders)
    await _every_state(stage)
    await stage.delivery(FLAKY, attempts=2)


async def _every_state(stage: Stage) -> None:
    today = datetime.now(UTC).date()
    due = {"due_on": (today + timedelta(days=14)).isoformat()}
    for name in ("open", "paid", "declined", "void", "checkout"):
        stage.pages[name] = await stage.order(
            f"north-{name}", title="Callbacks, built and run", **FULL, **due
        )
    stage.pages["chinese"] = await stage.order(
        "north-chinese", title="回调服务", language="zh-CN", **FULL, **due
    )
    late = {"due_on": (today - timedelta(days=3)).isoformat()}
    stage.pages["overdue"] = await stage.order("north-overdue", title="Callbacks, last month", **FULL, **late)
    await stage.decide(stage.pages["paid"], "approve")
    (await stage.client.post(f"{stage.service}/invoices/north-void/void")).raise_for_status()
    stage.pages["checkout"] = await stage.checkout(stage.pages["checkout"])
    stage.pages["checkout-declined"] = await stage.decide(stage.pages["declined"], "decline")
