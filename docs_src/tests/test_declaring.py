import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from fastapi.testclient import TestClient
from sqlmodel import SQLModel

from ringback.testing import LocalReceiver, assert_delivered, drain

PROGRAMS = Path(__file__).resolve().parents[1] / "declaring"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"declaring_{name}", PROGRAMS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_key_reads_the_response_and_an_answer_counts_when_it_says_so(
    monkeypatch: pytest.MonkeyPatch, sqlite_url: str, ringback_receiver: LocalReceiver
) -> None:
    monkeypatch.setenv("DATABASE_URL", sqlite_url)
    monkeypatch.setenv("ALLOW_NETWORKS", "127.0.0.0/8")
    program = load("responses")
    ringback_receiver.behave("not-ok")
    with TestClient(program.app) as client:
        answer = client.post(f"/exports?callback_url={ringback_receiver.url}/hook", json={"table": "orders"})
        assert (answer.status_code, answer.json()) == (202, {"number": 7})
        assert client.portal is not None
        client.portal.call(program.tell, 7, 1000)
        client.portal.call(program.tell, 7, 1000)
        client.portal.call(drain, program.ringback)
        [request] = ringback_receiver.requests
        assert (request.target, request.headers["x-table"]) == ("/hook/exports/7", "orders")
        assert request.json() == {"rows": 1000}

        async def states() -> list[tuple[str, str | None]]:
            async with program.ringback.transaction() as session:
                return [(r.state, r.verdict) for r in await program.ringback.deliveries(session)]

        [(state, verdict)] = client.portal.call(states)
        assert state == "pending"
        assert "acknowledge" in str(verdict)


def test_plain_functions_bind_and_send_with_a_sqlmodel_session(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ringback_receiver: LocalReceiver
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'test.db'}")
    monkeypatch.setenv("ALLOW_NETWORKS", "127.0.0.0/8")
    program = load("plain_functions")
    SQLModel.metadata.create_all(program.engine)
    with TestClient(program.app) as client:
        url = f"/invoices/?callback_url={ringback_receiver.url}/events"
        assert client.post(url, json={"id": "2expen51ve", "customer": "Mr. Richie Rich"}).is_success
        assert client.post("/payments/2expen51ve").is_success
        assert client.portal is not None
        client.portal.call(drain, program.ringback)
        client.portal.call(lambda: assert_delivered(program.ringback, key="2expen51ve"))
    program.engine.dispose()
    [request] = ringback_receiver.requests
    assert request.target == "/events/invoices/2expen51ve"
    assert request.json() == {"description": "Payment celebration", "paid": True}
