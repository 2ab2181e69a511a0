"""An external developer's first minutes: from the service's document to a receiver that is called back."""

import asyncio
import json
import os
import re
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

TUTORIAL = {"id": "2expen51ve", "customer": "Mr. Richie Rich", "total": "9999"}
SECONDS = 60.0


async def run(*arguments: str, folder: Path, secret: str = "") -> str:
    """What a command prints; it must succeed."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *arguments),
        cwd=folder,
        env={**os.environ, "WEBHOOK_SECRET": secret, "NO_COLOR": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await asyncio.wait_for(child.communicate(), SECONDS)
    assert child.returncode == 0, output.decode() + errors.decode()
    return output.decode()


@asynccontextmanager
async def started(folder: Path, secret: str) -> AsyncIterator[str]:
    """The receiver in its folder, started as its README says."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    variables = {**os.environ, "PORT": str(port), "WEBHOOK_SECRET": secret}
    with (folder / "log").open("wb") as log:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "receiver"), cwd=folder, env=variables, stdout=log, stderr=log
        )
    url = f"http://127.0.0.1:{port}"
    try:
        async with asyncio.timeout(SECONDS), httpx.AsyncClient(trust_env=False) as client:
            while True:
                assert child.returncode is None, (folder / "log").read_text()
                try:
                    await client.get(url)
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
                else:
                    break
        yield url
    finally:
        if child.returncode is None:
            child.terminate()
        await child.wait()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # to them it makes no difference
async def test_from_the_document_to_a_paid_invoice_within_a_minute(
    process: Any, pay: Any, tmp_path: Path
) -> None:
    await process.start()
    secret = json.loads(await process.run("accounts", "show", "default", "--json"))["signing_secret"]
    document, folder = f"{process.url}/openapi.json", tmp_path / "mine"
    start = time.monotonic()

    await run("ringback", "scaffold", document, "--out", str(folder), folder=tmp_path)
    async with started(folder, secret) as receiver:
        told = await run("ringback", "check", receiver, document, folder=tmp_path, secret=secret)
        assert "0 failed that must pass, 0 that should." in told
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
            posted = await client.post(
                f"{process.url}/invoices/", params={"callback_url": receiver}, json=TUTORIAL
            )
            await pay(client, posted.json()["pay_url"])
            delivery = await _delivered(client, f"{process.url}/invoices/2expen51ve")

    assert time.monotonic() - start < SECONDS
    assert delivery["attempts"] == 1
    log = (folder / "log").read_text()
    assert re.search(
        rf"invoice_notification {delivery['id']}: .*description='Payment celebration' paid=True", log
    )


async def _delivered(client: httpx.AsyncClient, url: str) -> dict[str, Any]:
    async with asyncio.timeout(SECONDS):
        while True:
            for delivery in (await client.get(url)).json()["deliveries"]:
                if delivery["state"] == "delivered":
                    found: dict[str, Any] = delivery
                    return found
            await asyncio.sleep(0.05)
