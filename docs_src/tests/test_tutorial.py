import asyncio
import os
import shutil
import signal
import socket
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import httpx2
import pytest

SOURCES = Path(__file__).resolve().parents[1]
INVOICE = {"customer": "Mr. Richie Rich", "total": "9999"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def running(folder: Path, app: str, port: int, **variables: str) -> AsyncIterator[asyncio.StreamReader]:
    """`uvicorn app --port port`, killed at the end; gives what it prints, once it listens."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "uvicorn", app, "--port", str(port),
        cwd=folder, env={**os.environ, "PYTHONUNBUFFERED": "1", **variables},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        await line_with(process.stdout, "Uvicorn running")
        yield process.stdout
    finally:
        process.send_signal(signal.SIGKILL)
        await process.communicate()


async def line_with(output: asyncio.StreamReader, words: str) -> str:
    async with asyncio.timeout(40):
        async for line in output:
            if words in line.decode():
                return line.decode()
    raise AssertionError(f"the program ended without saying {words!r}")


async def output_of(folder: Path, *command: str) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    return output.decode().strip()


async def attempted_in_vain(database: Path) -> None:
    query = "SELECT count(*) FROM ringback_deliveries WHERE state = 'pending' AND attempts = 1"
    async with asyncio.timeout(30):
        while True:
            with closing(sqlite3.connect(database)) as connection:
                if connection.execute(query).fetchone() == (1,):
                    return
            await asyncio.sleep(0.05)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for source, name in {
        "quickstart/app.py": "app.py",
        "receiving/with_fastapi.py": "receiver.py",
    }.items():
        shutil.copy(SOURCES / source, tmp_path / name)
    return tmp_path


async def test_the_tutorial_works_as_written_even_when_both_programs_are_killed(folder: Path) -> None:
    port, external = free_port(), free_port()
    allowed = {"ALLOW_NETWORKS": "127.0.0.0/8"}

    async def pay(client: httpx2.AsyncClient, invoice_id: str) -> None:
        callback_url = f"http://127.0.0.1:{external}/events"
        answer = await client.post(
            "/invoices/", params={"callback_url": callback_url}, json={"id": invoice_id, **INVOICE}
        )
        assert answer.status_code == 200, answer.text
        assert (await client.post(f"/payments/{invoice_id}")).status_code == 200

    async with (
        httpx2.AsyncClient(verify=False, base_url=f"http://127.0.0.1:{port}") as client,
        running(folder, "app:app", port, **allowed),
    ):
        secret = await output_of(folder, "-m", "ringback", "keys", "create", "--app", "app:app")
        async with running(folder, "receiver:app", external, WEBHOOK_SECRET=secret) as heard:
            await pay(client, "2expen51ve")
            assert "Payment celebration" in await line_with(heard, "2expen51ve: ")
        await pay(client, "another")
        await attempted_in_vain(folder / "quickstart.db")
    async with (
        running(folder, "receiver:app", external, WEBHOOK_SECRET=secret) as heard,
        running(folder, "app:app", port, **allowed),
    ):
        assert "Payment celebration" in await line_with(heard, "another: ")
