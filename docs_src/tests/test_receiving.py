import importlib.util
import time
from pathlib import Path
from types import ModuleType

import httpx2
import pytest
from sqlalchemy import select
from testkit.serving import served

from ringback._signing import new_message_id, new_secret, sign

PATH = "/events/invoices/2expen51ve"
BODY = b'{"description":"Payment celebration","paid":true}'
PROGRAMS = sorted((Path(__file__).resolve().parents[1] / "receiving").glob("*.py"))


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch, sqlite_url: str) -> str:
    secret = new_secret()
    monkeypatch.setenv("WEBHOOK_SECRET", secret)
    monkeypatch.setenv("DATABASE_URL", sqlite_url)
    return secret


def signed(secret: str, body: bytes = BODY) -> dict[str, str]:
    message_id, timestamp = new_message_id(PATH), int(time.time())
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign([secret], message_id, timestamp, body),
        "content-type": "application/json",
    }


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
async def test_each_program_takes_what_is_signed_and_nothing_else(program: Path, secret: str) -> None:
    module = load(program)
    if hasattr(module, "Base"):
        async with module.engine.begin() as connection:
            await connection.run_sync(module.Base.metadata.create_all)
    headers = signed(secret)
    async with served(module.app) as url, httpx2.AsyncClient(verify=False) as client:
        accepted = await client.post(url + PATH, content=BODY, headers=headers)
        tampered = await client.post(
            url + PATH, content=BODY.replace(b"Payment", b"payment"), headers=headers
        )
        malformed = await client.post(
            url + PATH, content=BODY, headers={**headers, "webhook-signature": "v1"}
        )
    assert (accepted.status_code, accepted.json()) == (200, {"ok": True})
    assert (tampered.status_code, malformed.status_code) == (403, 403)
    if hasattr(module, "engine"):
        await module.engine.dispose()


async def test_a_delivery_that_comes_twice_is_acted_on_once(secret: str) -> None:
    module = load(PROGRAMS[0].with_name("acting_once.py"))
    async with module.engine.begin() as connection:
        await connection.run_sync(module.Base.metadata.create_all)
    headers = signed(secret)
    async with served(module.app) as url, httpx2.AsyncClient(verify=False) as client:
        for _ in range(2):
            answer = await client.post(url + PATH, content=BODY, headers=headers)
            assert (answer.status_code, answer.json()) == (200, {"ok": True})
    async with module.sessions() as session:
        assert (await session.execute(select(module.Order.times_paid))).scalar_one() == 1
    await module.engine.dispose()
