"""Programs of other people on our document: Prism calls the callback, Redocly and Spectral find no flaw.

And Pyright on our calls. They come from npm, so these tests take a minute and run with ``make test-long``.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import pytest
from fastapi import APIRouter, Depends, FastAPI, Header
from fastapi.security import HTTPBearer
from pydantic import BaseModel

from ringback._document import publish

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

HERE = Path(__file__).parent
TOOLS = HERE.parents[3] / ".tools" / "npm"
PACKAGES = [
    *("@stoplight/prism-cli@5.14.2", "@redocly/cli@2.77.0", "@stoplight/spectral-cli@6.16.3"),
    "pyright@1.1.414",
]
LISTENING = b"Prism is listening"


@pytest.fixture(scope="session")
def tools() -> Path:
    """The folder of the installed programs."""
    TOOLS.mkdir(parents=True, exist_ok=True)
    command = ["npm", "install", "--no-audit", "--no-fund", "--silent", "--prefix", str(TOOLS), *PACKAGES]
    subprocess.run(command, check=True, timeout=500)
    return TOOLS / "node_modules" / ".bin"


def tutorial(*, repaired: bool) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec((HERE / "programs" / "tutorial_py310.txt").read_text(), names)
    app = names["app"]
    if repaired:
        publish(app)
    document: dict[str, Any] = app.openapi()
    return document


@asynccontextmanager
async def receiver(requests: "asyncio.Queue[bytes]") -> AsyncIterator[int]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        await requests.put(head.split(b"\r\n")[0])
        writer.write(
            b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n{"ok":true}'
        )
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def prism(tools: Path, document: Path) -> AsyncIterator[tuple[int, asyncio.StreamReader]]:
    async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0) as free:
        port = free.sockets[0].getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        str(tools / "prism"),
        "mock",
        str(document),
        "-p",
        str(port),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout is not None
    try:
        await _until(process.stdout, LISTENING)
        yield port, process.stdout
    finally:
        process.terminate()
        await process.communicate()


async def _until(output: asyncio.StreamReader, text: bytes) -> bytes:
    async with asyncio.timeout(60):
        while True:
            line = await output.readline()
            assert line, f"the program ended before it said {text!r}"
            if text in line:
                return line


async def _create_invoice(prism_port: int, receiver_port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", prism_port)
    url = quote(f"http://127.0.0.1:{receiver_port}/events", safe="")
    body = b'{"id": "2expen51ve", "customer": "Mr. Richie Rich", "total": 9999}'
    head = f"POST /invoices/?callback_url={url} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    writer.write(f"{head}content-length: {len(body)}\r\nconnection: close\r\n\r\n".encode() + body)
    assert (await reader.read()).startswith(b"HTTP/1.1 200")
    writer.close()
    await writer.wait_closed()


async def test_prism_calls_the_right_url_from_our_document(tools: Path, tmp_path: Path) -> None:
    document = tmp_path / "openapi.json"
    document.write_text(json.dumps(tutorial(repaired=True)))
    requests: asyncio.Queue[bytes] = asyncio.Queue()
    async with receiver(requests) as receiver_port, prism(tools, document) as (prism_port, _):
        await _create_invoice(prism_port, receiver_port)
        async with asyncio.timeout(60):
            assert await requests.get() == b"POST /events/invoices/2expen51ve HTTP/1.1"


async def test_prism_calls_nobody_from_plain_fastapis_document(tools: Path, tmp_path: Path) -> None:
    document = tmp_path / "openapi.json"
    document.write_text(json.dumps(tutorial(repaired=False)))
    requests: asyncio.Queue[bytes] = asyncio.Queue()
    async with receiver(requests) as receiver_port, prism(tools, document) as (prism_port, output):
        await _create_invoice(prism_port, receiver_port)
        assert b"Only absolute URLs are supported" in await _until(output, b"Request failed")
        assert requests.empty()


class Order(BaseModel):
    id: str


class Event(BaseModel):
    paid: bool


def _app() -> FastAPI:
    """An app of which a strict linter has nothing to say but what it says of the callbacks."""
    app = FastAPI(
        servers=[{"url": "https://api.example.org"}],
        license_info={"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        contact={"name": "API", "url": "https://api.example.org"},
        description="Orders.",
        openapi_tags=[{"name": "orders", "description": "Orders"}],
    )
    publish(app, policy="Repeated for three days.")
    callbacks, nested = APIRouter(tags=["orders"]), APIRouter()

    @nested.put("{$hook}/orders/{$request.body.id}/{kind}", responses={410: {"description": "Gone"}})
    def order_kind(body: list[Event], kind: str, x_trace: Annotated[str | None, Header()] = None) -> None:
        """What happened to an order."""

    callbacks.include_router(nested)
    for path, name in (("/orders", "create_order"), ("/offers", "create_offer")):

        @app.post(
            path, name=name, callbacks=callbacks.routes, tags=["orders"], dependencies=[Depends(HTTPBearer())]
        )
        def create(order: Order, hook: str) -> None:
            """Create one."""

    return app


def test_redocly_and_spectral_find_no_flaw(tools: Path, tmp_path: Path) -> None:
    (tmp_path / "openapi.json").write_text(json.dumps(_app().openapi()))
    (tmp_path / ".spectral.yaml").write_text('extends: ["spectral:oas"]\n')
    redocly = _run(tools, tmp_path, "redocly", "lint", "openapi.json", "--format=json")
    assert [problem["message"] for problem in redocly["problems"]] == []
    spectral = _run(tools, tmp_path, "spectral", "lint", "openapi.json", "--format", "json")
    assert [problem["message"] for problem in spectral] == []


def test_pyright_itself_judges_calls_as_its_engine_does(tools: Path) -> None:
    calls = HERE.parent / "typing"
    command = [str(tools / "pyright"), "--pythonpath", sys.executable, "--project", str(calls)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout


def _run(tools: Path, folder: Path, program: str, *arguments: str) -> Any:
    done = subprocess.run(
        [str(tools / program), *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    start = min(i for i in (done.stdout.find("{"), done.stdout.find("[")) if i >= 0)
    return json.JSONDecoder().raw_decode(done.stdout[start:])[0]
