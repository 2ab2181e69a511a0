"""The console is mounted for those who have its secret, and in the open mode it makes one."""

import asyncio
import os
import re
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from invoices.settings import Settings

SECRET = "an-operator-keeps-this-to-himself-0123456789"
TUTORIAL = {"id": "2expen51ve", "customer": "Mr. Richie Rich", "total": "9999"}

Start = Any


async def sign_in(client: httpx.AsyncClient, secret: str) -> httpx.Response:
    page = await client.get("/console/sign-in")
    [token] = re.findall(r'name="token" value="(\w+)"', page.text)
    form = {"token": token, "secret": secret}
    return await client.post("/console/sign-in", data=form, headers={"Sec-Fetch-Site": "same-origin"})


async def test_without_a_secret_there_is_no_console(start_service: Start) -> None:
    async with start_service() as service:
        assert (await service.client.get("/console/")).status_code == 404


async def test_with_the_secret_an_operator_sees_what_is_owed(start_service: Start) -> None:
    async with start_service(console_secret=SECRET, base_url="http://127.0.0.1:8000") as service:
        created = await service.send(TUTORIAL)
        assert created.status_code == 200
        led = await service.client.get("/console/deliveries")
        assert led.headers["location"] == "/console/sign-in?next=/deliveries"
        assert (await sign_in(service.client, SECRET)).status_code == 303
        page = await service.client.get("/console/deliveries?channel=mail")
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert page.headers["cache-control"] == "no-store"
        [mail] = re.findall(r'href="(/console/deliveries/msg_\w+)"', page.text)
        whole = await service.client.get(mail)
        assert "Mr. Richie Rich" in whole.text
        assert created.json()["pay_url"].rpartition("/")[2] not in whole.text


def test_a_secret_that_could_be_guessed_is_refused() -> None:
    with pytest.raises(ValidationError, match="at least 32 characters"):
        Settings(console_secret="x" * 31)  # type: ignore[arg-type]


def test_a_secret_is_made_once_for_its_owners_eyes(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    made = settings.with_console()
    assert made.with_console() is made
    assert settings.with_console().console_secret == made.console_secret
    assert len(made.console_secret.get_secret_value()) >= 32
    assert stat.S_IMODE(settings.console_secret_file.stat().st_mode) == 0o600
    given = Settings(data_dir=tmp_path / "data", console_secret=SECRET)  # type: ignore[arg-type]
    assert given.with_console() is given


@asynccontextmanager
async def serving(data_dir: Path) -> AsyncIterator[dict[str, str]]:
    """Run ``invoices serve`` on a free port; gives what it tells about itself."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "invoices", "serve", "--port", "0"),
        env={**os.environ, "INVOICES_DATA_DIR": str(data_dir), "COLUMNS": "400"},
        stderr=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
    )
    assert process.stderr is not None
    told: dict[str, str] = {}
    try:
        async with asyncio.timeout(60):
            while line := (await process.stderr.readline()).decode():
                name, _, value = line.strip().partition("  ")
                told[name] = value.strip()
                if "startup complete" in line:
                    break
        yield told
    finally:
        process.terminate()
        await process.communicate()


async def test_in_the_open_mode_serving_makes_a_secret_and_tells_where(tmp_path: Path) -> None:
    async with serving(tmp_path / "data") as told:
        file = tmp_path / "data" / "console-secret"
        assert told["its secret"] == f"in {file}"
        site = told["console"].removesuffix("/console/")
        async with httpx.AsyncClient(base_url=site, trust_env=False, timeout=30) as client:
            assert (await sign_in(client, "wrong")).status_code == 403
            assert (await sign_in(client, file.read_text())).status_code == 303
            assert (await client.get("/console/deliveries")).status_code == 200
