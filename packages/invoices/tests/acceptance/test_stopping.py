"""A server that is asked to stop stops, also while somebody looks at an invoice."""

import time
from typing import Any

import httpx
import pytest


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """One database is enough: the server waits for connections, not for it."""
    return sqlite_url


async def test_an_open_page_does_not_hold_a_server_up(process: Any) -> None:
    await process.start()
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        invoice = {"id": "2expen51ve", "customer": "Mr. Richie Rich", "total": "9999"}
        created = await client.post(f"{process.url}/invoices/", json=invoice)
        page = await client.get(created.json()["pay_url"])
        news = page.text.partition('data-news="')[2].partition('"')[0]
        async with client.stream("GET", f"{process.url}{news}") as stream:
            lines = stream.aiter_lines()
            assert await anext(lines) == "retry: 3000"
            began = time.monotonic()
            await process.stop()
            assert time.monotonic() - began < 8, "it has waited until its patience ended"
            assert [line async for line in lines if line] == []
    assert "Traceback" not in process.log.read_text()
