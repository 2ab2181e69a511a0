"""What the operator sets of callbacks holds in the service: hosts, ports, https, the way by a proxy."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from invoices.invoices import service as invoices
from invoices.invoices.standing import Collected, lock, stand
from ringback.testing import LocalReceiver

PROXY = Path(__file__).resolve().parents[3] / "ringback/tests/transport/connect_proxy.py"
LOOPBACK = ["127.0.0.0/8"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("settings", "refused", "accepted"),
    [
        ({"callback_deny_hosts": ["*.evil.example"]}, "https://a.evil.example/x", "https://8.8.8.8/x"),
        ({"callback_allow_hosts": ["8.8.8.8"]}, "https://8.8.4.4/x", "https://8.8.8.8/x"),
        ({"callback_ports": [443]}, "http://8.8.8.8/x", "https://8.8.8.8/x"),
        ({"callback_https_only": True}, "http://8.8.8.8/x", "https://8.8.8.8/x"),
        ({}, "http://127.0.0.1:9/x", "https://8.8.8.8/x"),
        ({"callback_allow_networks": LOOPBACK}, "http://10.0.0.1/x", "http://127.0.0.1:9/x"),
        ({"callback_allow_networks": ["0.0.0.0/0"]}, "http://169.254.169.254/x", "http://10.0.0.1:9/x"),
    ],
)
async def test_a_url_beyond_the_operators_policy_is_a_422(
    start_service: Any, settings: dict[str, Any], refused: str, accepted: str
) -> None:
    async with start_service(**settings) as service:
        answer = await service.send(callback_url=refused)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == "callback_url"
        assert await service.count("invoices") == 0
        assert (await service.send(callback_url=accepted)).status_code == 200


@asynccontextmanager
async def egress_proxy() -> AsyncIterator[tuple[str, asyncio.StreamReader]]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-u", str(PROXY)), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        port = int(await process.stdout.readline())
        yield f"http://127.0.0.1:{port}", process.stdout
    finally:
        process.terminate()
        await process.wait()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_callbacks_leave_by_the_operators_proxy_and_by_no_other(
    start_service: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with egress_proxy() as (proxy, heard):
        with LocalReceiver("ok") as receiver:
            settings = {"callback_allow_networks": LOOPBACK, "callback_proxy": proxy}
            async with start_service(worker="embedded", **settings) as service:
                assert (await service.send(callback_url=receiver.url)).status_code == 200
                async with service.app.state.sessions.begin() as session:
                    invoice = await invoices.get(session, "default", "2expen51ve")
                    await lock(session, invoice)
                    money = Collected(collected=invoice.total_minor, since=datetime.now(UTC))
                    await stand(session, service.app.state.ringback, invoice, money)
                head = (await asyncio.wait_for(heard.readline(), 30)).decode()
                assert head.startswith(f"CONNECT {receiver.url.removeprefix('http://')} HTTP/1.1|")
                async with asyncio.timeout(30):
                    while not receiver.requests:
                        await asyncio.sleep(0.02)
