import importlib.util
from pathlib import Path

import httpx2
import pytest
from testkit.serving import served

PROGRAM = Path(__file__).resolve().parents[1] / "operating" / "with_console.py"


async def test_the_console_opens_for_its_secret_and_for_whom_the_app_knows(
    monkeypatch: pytest.MonkeyPatch, sqlite_url: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", sqlite_url)
    monkeypatch.setenv("CONSOLE_SECRET", "a-secret-of-the-documentation-0123456789")
    spec = importlib.util.spec_from_file_location("with_console", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
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
