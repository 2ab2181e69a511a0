"""What docs/how-to/back-up-and-restore.md says of a restored database, done with real processes."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from docs_src.operating.back_up import back_up
from sqlalchemy import make_url, text
from testkit.postgresql import OwnServer, Server

from invoices.database import connect

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]

SECONDS = 120.0


def libpq(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def program(server: Server, name: str) -> str:
    beside = Path(server.control[0]).with_name(name) if isinstance(server, OwnServer) else Path(name)
    return str(beside) if beside.exists() else shutil.which(name) or name


def run(*command: str | Path) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stderr


async def emptied(url: str) -> None:
    engine = connect(url)
    async with engine.begin() as connection:
        await connection.execute(text("DROP SCHEMA public CASCADE"))
        await connection.execute(text("CREATE SCHEMA public"))
    await engine.dispose()


@pytest.fixture
def copies(database_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> tuple[Any, Any]:
    """How this database is backed up, and how it is brought back."""
    if database_url.startswith("sqlite"):
        database = Path(make_url(database_url).database or "")

        async def save() -> Path:
            return await asyncio.to_thread(back_up, database, tmp_path)

        async def bring_back(copy: Path) -> None:
            for path in database.parent.glob(f"{database.name}*"):
                path.unlink()
            shutil.copy(copy, database)

        return save, bring_back
    server = request.getfixturevalue("postgresql_server")
    dump, url = tmp_path / "invoices.dump", libpq(database_url)

    async def save_dump() -> Path:
        command = (program(server, "pg_dump"), "--format=custom", f"--file={dump}", url)
        await asyncio.to_thread(run, *command)
        return dump

    async def bring_dump_back(copy: Path) -> None:
        await emptied(database_url)
        command = (program(server, "pg_restore"), "--no-owner", "--exit-on-error", "--clean", "--if-exists")
        await asyncio.to_thread(run, *command, f"--dbname={url}", copy)

    return save_dump, bring_dump_back


async def test_what_was_owed_at_the_time_of_the_backup_is_delivered_again_under_the_same_id(
    process: Any, external_api: Any, pay: Callable[..., Any], copies: tuple[Any, Any]
) -> None:
    save, bring_back = copies
    await process.start()
    secret = json.loads(await process.run("accounts", "show", "default", "--json"))["signing_secret"]
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:

        async def order(invoice_id: str) -> str:
            body = {"id": invoice_id, "customer": "Mr. Richie Rich", "total": "9999"}
            address = {"callback_url": f"{external_api.url}/events"}
            posted = await client.post(f"{process.url}/invoices/", params=address, json=body)
            assert posted.status_code == 200, posted.text
            return str(posted.json()["pay_url"])

        link = await order("before")
        await pay(client, link)
        copy = await save()  # the callback is owed: nobody has answered yet
        await order("after")
        async with external_api.opened(secret):
            await asyncio.wait_for(external_api.called.wait(), SECONDS)
            (first,) = external_api.requests
            await process.stop()
            await bring_back(copy)
            external_api.called.clear()
            await process.start()
            await asyncio.wait_for(external_api.called.wait(), SECONDS)
        assert external_api.requests == [first, first]
        assert (await client.get(link)).status_code == 200
        assert (await client.get(f"{process.url}/invoices/after")).status_code == 404
        assert (await client.get(f"{process.url}/invoices/before")).json()["status"] == "paid"
