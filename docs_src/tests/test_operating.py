import importlib.util
from pathlib import Path
from types import ModuleType

import httpx2
import pytest
from testkit.serving import served

from ringback.receiver import Receiver
from ringback.testing import LocalReceiver

PROGRAMS = Path(__file__).resolve().parents[1] / "operating"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, PROGRAMS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    return program


async def test_the_console_opens_for_its_secret_and_for_whom_the_app_knows(
    monkeypatch: pytest.MonkeyPatch, sqlite_url: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", sqlite_url)
    monkeypatch.setenv("CONSOLE_SECRET", "a-secret-of-the-documentation-0123456789")
    program = load("with_console")
    async with (
        served(program.app, lifespan="on") as url,
        served(program.internal) as internal_url,
        httpx2.AsyncClient(verify=False) as client,
    ):
        page = await client.get(f"{url}/console/deliveries", follow_redirects=True)
        assert "<h1>Sign in</h1>" in page.text
        for user, status in (("ada", 200), ("eve", 403)):
            answer = await client.get(
                f"{internal_url}/console/deliveries", headers={"x-authenticated-user": user}
            )
            assert answer.status_code == status


async def test_a_test_callback_is_sent_to_whoever_has_a_key(
    monkeypatch: pytest.MonkeyPatch, sqlite_url: str, ringback_receiver: LocalReceiver
) -> None:
    monkeypatch.setenv("DATABASE_URL", sqlite_url)
    monkeypatch.setenv("ALLOW_NETWORKS", "127.0.0.0/8")
    program = load("with_test_panel")
    wanted = {"path": "/orders/", "method": "post", "callback": "order_shipped", "url": ringback_receiver.url}
    async with (
        served(program.app, lifespan="on") as url,
        httpx2.AsyncClient(base_url=url, verify=False) as client,
    ):
        assert "/callback-tests/panel.js" in (await client.get("/docs")).text
        assert (await client.post("/callback-tests", json=wanted)).status_code == 401
        headers = {"Authorization": "Bearer key-of-acme"}
        told = (await client.post("/callback-tests", json=wanted, headers=headers)).json()
        order = {"id": "7"}, {"callback_url": ringback_receiver.url}
        assert (await client.post("/orders/", json=order[0], params=order[1], headers=headers)).is_success
        async with program.ringback.transaction() as session:
            secret = await program.ringback.signing_secret(session, owner="acme")
    assert (told["good"], told["request"]["url"]) == (True, f"{ringback_receiver.url}/orders/test")
    [received] = ringback_receiver.requests
    assert Receiver(secret).verify(received.headers, received.body, "/orders/test").is_test
