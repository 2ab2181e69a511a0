"""Documents that callbacks are taken from, and projects made of them."""

import asyncio
import json
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from ringback.cli._documents import load_document
from ringback.kit.scaffold import project_files, write_files

HERE = Path(__file__).parent
SECONDS = 30.0

Started = Callable[..., AbstractAsyncContextManager[str]]


@pytest.fixture
def tutorial() -> dict[str, Any]:
    """What FastAPI itself publishes of its tutorial, with the correction that ``ringback lint`` asks for."""
    text = (HERE.parent / "contract" / "tutorial-openapi.json").read_text()
    fixed = text.replace(
        "{$callback_url}/invoices/{$request.body.id}",
        "{$request.query.callback_url}/invoices/{$request.body#/id}",
    )
    assert fixed != text
    document: dict[str, Any] = json.loads(fixed)
    return document


@pytest.fixture
def specification() -> dict[str, Any]:
    """The callbacks of the OpenAPI specification's own text."""
    return load_document(str(HERE / "openapi-specification.yaml"))


@pytest.fixture
def hostile() -> dict[str, Any]:
    """Everything that callbacks can have, with names and texts that want to get out of their quotes."""
    return load_document(str(HERE / "hostile-openapi.json"))


@pytest.fixture
def scaffolded(tmp_path: Path) -> Callable[[dict[str, Any]], Path]:
    """Makes a project of a document."""

    def make(document: dict[str, Any]) -> Path:
        folder = tmp_path / "project"
        write_files(folder, project_files(document))
        return folder

    return make


@pytest.fixture
def started() -> Started:
    """Starts a project's receiver as its README says, and gives its address."""

    @asynccontextmanager
    async def start(folder: Path, secret: str, *python: str) -> AsyncIterator[str]:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        variables = {**os.environ, "PORT": str(port), "WEBHOOK_SECRET": secret}
        with (folder / "log").open("wb") as log:
            child = await asyncio.create_subprocess_exec(
                *(python or (sys.executable,)),
                "-m",
                "receiver",
                cwd=folder,
                env=variables,
                stdout=log,
                stderr=log,
            )
        try:
            await _listening(child, port, folder / "log")
            yield f"http://127.0.0.1:{port}"
        finally:
            if child.returncode is None:
                child.terminate()
            await child.wait()

    return start


async def _listening(child: asyncio.subprocess.Process, port: int, log: Path) -> None:
    async with asyncio.timeout(SECONDS):
        while True:
            assert child.returncode is None, log.read_text()
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                await writer.wait_closed()
                return
