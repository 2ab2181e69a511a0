import importlib.util
import json
import logging
from pathlib import Path
from types import ModuleType

import httpx2
import pytest
from testkit.serving import served

PROGRAMS = Path(__file__).resolve().parents[1] / "operating"


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch, sqlite_url: str) -> "Load":
    monkeypatch.setenv("DATABASE_URL", sqlite_url)
    monkeypatch.setenv("CONSOLE_SECRET", "a-secret-of-the-documentation-0123456789")
    monkeypatch.setenv("METRICS_TOKEN", "a-token-of-the-documentation")
    return Load()


class Load:
    def __call__(self, name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(name, PROGRAMS / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        program = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(program)
        return program


async def test_metrics_are_for_who_has_the_token(load: Load) -> None:
    program = load("with_metrics")
    async with (
        served(program.app, lifespan="on") as url,
        httpx2.AsyncClient(base_url=url, verify=False) as client,
    ):
        assert (await client.get("/metrics")).status_code == 401
        right = {"Authorization": "Bearer a-token-of-the-documentation"}
        shown = await client.get("/metrics", headers=right)
        assert "ringback_worker_running 1" in shown.text
    logging.getLogger("ringback.attempt").removeHandler(program.handler)


def test_lines_become_json(load: Load) -> None:
    program = load("with_metrics")
    logging.getLogger("ringback.attempt").removeHandler(program.handler)
    fields = {"id": "msg_1", "attempt": 1}
    record = logging.LogRecord("ringback.attempt", logging.INFO, "", 0, "id=%(id)s", (fields,), None)
    assert json.loads(program.handler.format(record))["id"] == "msg_1"


async def test_a_section_is_in_the_console(load: Load) -> None:
    program = load("with_sections")
    async with (
        served(program.app, lifespan="on") as url,
        httpx2.AsyncClient(base_url=url, verify=False) as client,
    ):
        answer = await client.get("/console/orders")
        assert answer.headers["location"] == "/console/sign-in?next=/orders"


async def test_what_died_is_sent_again(load: Load) -> None:
    program = load("steering")
    async with program.ringback.running():
        assert await program.send_again("acme", "https://api.example/hooks") == 0
    await program.ringback.engine.dispose()
