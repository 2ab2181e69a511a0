"""The service as a real process, which can be killed and started again on the same database and port."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest
import uvicorn
from fastapi import Depends, FastAPI, Request

from invoices.demo.form import find_form
from ringback.receiver import Message, Receiver

SECONDS = 40.0


@dataclass
class Process:
    """One `invoices serve`, on a port that stays the same over its lives."""

    arguments: list[str]
    variables: dict[str, str]
    log: Path
    url: str
    child: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self.child = await asyncio.create_subprocess_exec(
                sys.executable, *self.arguments, env=self.variables, stdout=log, stderr=log
            )
        async with asyncio.timeout(SECONDS), httpx.AsyncClient(trust_env=False) as client:
            while True:
                assert self.child.returncode is None, self.log.read_text()
                try:
                    await client.get(f"{self.url}/docs")
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
                else:
                    return

    async def kill(self) -> None:
        """kill -9: nothing in the process gets to say goodbye."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        await self._end(signal.SIGTERM)

    async def _end(self, number: signal.Signals) -> None:
        assert self.child is not None
        if self.child.returncode is None:
            self.child.send_signal(number)
        async with asyncio.timeout(SECONDS):
            await self.child.wait()

    async def run(self, *arguments: str) -> str:
        """What another `invoices` command prints."""
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "invoices", *arguments),
            env=self.variables,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await child.communicate()
        assert child.returncode == 0, errors.decode()
        return output.decode()


@dataclass
class ExternalApi:
    """The external API of a test: its address is known, and refuses connections, before it is opened."""

    listener: socket.socket
    url: str
    requests: list[dict[str, Any]] = field(default_factory=list)
    called: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def opened(self, secret: str) -> AsyncIterator[None]:
        """Serve while the block runs; requests whose signature is wrong get no further than a 403."""
        app = FastAPI()
        receiver = Receiver(secret)

        @app.post("/events/invoices/{invoice_id}")
        async def notified(
            invoice_id: str, request: Request, message: Annotated[Message, Depends(receiver)]
        ) -> dict[str, bool]:
            self.requests.append(
                {
                    "id": invoice_id,
                    "body": message.body,
                    "message": message.id,
                    "content-type": request.headers["content-type"],
                }
            )
            self.called.set()
            return {"ok": True}

        self.listener.listen()
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        task = asyncio.create_task(server.serve(sockets=[self.listener]))
        try:
            yield
        finally:
            server.should_exit = True
            await task


@pytest.fixture
async def process(database_url: str, tmp_path: Path) -> AsyncIterator[Process]:
    """The service, not started yet; what still runs at the end of the test is stopped."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("INVOICES_")}
    variables = {
        **kept,
        "INVOICES_DATABASE_URL": database_url,
        "INVOICES_DATA_DIR": str(tmp_path / "data"),
        "INVOICES_CALLBACK_ALLOW_NETWORKS": "127.0.0.0/8",
    }
    process = Process(
        ["-m", "invoices", "serve", "--port", str(port)], variables, tmp_path / "service.log", url
    )
    yield process
    if process.child is not None:
        await process.stop()


@pytest.fixture
def external_api() -> Any:
    """An external API that is not listening yet."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        yield ExternalApi(listener, f"http://127.0.0.1:{listener.getsockname()[1]}")


Pay = Callable[[httpx.AsyncClient, str], Any]


@pytest.fixture
def pay() -> Pay:
    """Pays as a customer does: through the forms of the pages."""

    async def pay(client: httpx.AsyncClient, pay_url: str) -> None:
        form = find_form((await client.get(pay_url)).text, pay_url)
        checkout = (await client.post(form.action, data=form.fields)).headers["location"]
        decision = find_form((await client.get(checkout)).text, checkout)
        back = await client.post(decision.action, data=decision.pressed("decision", "approve"))
        assert back.status_code == 303, back.text
        await client.get(back.headers["location"])

    return pay
