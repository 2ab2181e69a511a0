"""The open mode however the service was started: by uvicorn itself, behind a local proxy, from elsewhere."""

import asyncio
import os
import re
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from invoices.accounts import service as accounts


@asynccontextmanager
async def started_by_uvicorn(folder: Path, *options: str) -> AsyncIterator[str]:
    """``uvicorn --factory invoices.app:create_app`` as a process of its own: its address."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("INVOICES_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "uvicorn", "--factory", "invoices.app:create_app", "--port", "0", *options),
        env=environment | {"INVOICES_DATA_DIR": str(folder / "data")},
        stdout=DEVNULL,
        stderr=PIPE,
    )
    assert process.stderr is not None
    try:
        said = b""
        async with asyncio.timeout(60):
            while not (found := re.search(rb"running on \S+:([0-9]+)", said)):
                line = await process.stderr.readline()
                assert line, said.decode()
                said += line
        yield f"http://127.0.0.1:{int(found[1])}"
    finally:
        process.terminate()
        await process.communicate()


@pytest.mark.parametrize("options", [(), ("--host", "0.0.0.0", "--forwarded-allow-ips", "*")])
async def test_uvicorn_itself_opens_it_to_this_machine_only(tmp_path: Path, options: tuple[str, ...]) -> None:
    async with (
        started_by_uvicorn(tmp_path, *options) as url,
        httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as client,
    ):
        assert (await client.get("/invoices/")).status_code == 200
        for headers in (
            {"Host": "evil.example"},
            {"Host": "evil.example", "X-Forwarded-Host": "localhost"},
            {"X-Forwarded-For": "127.0.0.1"},
            {"X-Forwarded-For": "203.0.113.9"},
            {"X-Forwarded-Proto": "https"},
            {"X-Forwarded-Anything": ""},
            {"Forwarded": "for=127.0.0.1"},
        ):
            for method, path in (("GET", "/invoices/"), ("POST", "/invoices/"), ("GET", "/invoices/1")):
                invoice = {"id": "1", "customer": "C", "total": 1} if method == "POST" else None
                refusal = await client.request(method, path, headers=headers, json=invoice)
                assert refusal.status_code == 403, (headers, method, path)
                assert "accounts create" in refusal.json()["detail"]
        assert (await client.get("/invoices/")).json()["invoices"] == []


async def test_another_machine_is_refused_whatever_it_says_of_itself(start_service: Any) -> None:
    async with start_service() as service:
        transport = httpx.ASGITransport(app=service.app, client=("203.0.113.9", 4711))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            refusal = await client.get("/invoices/")
    assert refusal.status_code == 403
    assert "does not come from this machine" in refusal.json()["detail"]


async def test_a_proxy_on_this_machine_lets_nobody_in(start_service: Any) -> None:
    """What a proxy adds, over a real socket: the Host that the visitor asked for, and where he comes from."""
    async with start_service() as service:
        host, port = service.client.base_url.host, service.client.base_url.port

        async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            back, onward = await asyncio.open_connection(host, port)
            added = b"X-Forwarded-For: 203.0.113.9\r\nConnection: close\r\n\r\n"
            onward.write(head.removesuffix(b"\r\n") + added)
            writer.write(await back.read())
            writer.close()
            onward.close()

        proxy = await asyncio.start_server(forward, "127.0.0.1", 0)
        async with proxy, httpx.AsyncClient(trust_env=False) as client:
            refusal = await client.get(f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}/invoices/")
    assert refusal.status_code == 403
    assert "this request is refused" in refusal.json()["detail"]


BY_BROWSERS: list[tuple[dict[str, str], bool]] = [
    ({}, True),  # no browser
    ({"Origin": "{here}"}, True),
    ({"Origin": "{here}", "Sec-Fetch-Site": "same-origin"}, True),
    ({"Origin": "null", "Sec-Fetch-Site": "same-origin"}, True),
    ({"Sec-Fetch-Site": "none"}, True),  # typed by the operator
    ({"Origin": "https://evil.example"}, False),
    ({"Origin": "null"}, False),
    ({"Origin": "http://127.0.0.1:1"}, False),  # another server on this machine
    ({"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}, False),
    ({"Origin": "{here}", "Sec-Fetch-Site": "same-site"}, False),
    ({"Sec-Fetch-Site": "cross-site"}, False),
]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_t32_a_page_of_another_site_steers_nothing_in_the_open_mode(start_service: Any) -> None:
    async with start_service() as service:
        here = str(service.client.base_url).rstrip("/")
        for number, (headers, allowed) in enumerate(BY_BROWSERS):
            assert (await service.send({"id": str(number), "customer": "C", "total": 1})).status_code == 200
            sent = {name: value.format(here=here) for name, value in headers.items()}
            answer = await service.client.post(f"/invoices/{number}/void", headers=sent)
            assert answer.status_code == (200 if allowed else 403), headers
            now = (await service.client.get(f"/invoices/{number}")).json()["status"]
            assert now == ("void" if allowed else "open"), headers
            assert allowed or "a page of another site" in answer.json()["detail"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_with_a_key_the_origin_does_not_matter(start_service: Any) -> None:
    async with start_service() as service:
        async with service.app.state.sessions.begin() as session:
            made = await accounts.create(session, service.app.state.ringback, "acme")
        headers = {"Authorization": f"Bearer {made.api_key}", "Origin": "https://shop.example"}
        assert (await service.client.get("/invoices/", headers=headers)).status_code == 200
