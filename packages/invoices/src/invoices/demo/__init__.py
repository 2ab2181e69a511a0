"""``invoices demo``: the whole story on a terminal, with real processes and nothing to install."""

import asyncio
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from invoices.demo.processes import Child, ProcessFailed, child, environment, free_port, run_json
from invoices.demo.story import Story, StoryBroken
from invoices.demo.telling import Teller

__all__ = ["play"]

SERVICE_PORT: Final = 8000
EXTERNAL_PORT: Final = 8001
START_SECONDS: Final = 60.0

_SHOW_ACCOUNT: Final = ["-m", "invoices", "accounts", "show", "default", "--json"]


def play(*, once: bool, data_dir: Path | None = None, database_url: str = "") -> int:
    """Play the story, then serve on until Ctrl-C, or end with it if `once`; returns the exit code.

    Everything is kept in `data_dir`, or in a temporary folder that is removed unless something fails.
    """
    folder = data_dir or Path(tempfile.mkdtemp(prefix="invoices-demo-"))
    folder.mkdir(parents=True, exist_ok=True)
    teller = Teller()
    if any(folder.iterdir()):
        teller.failed("Nothing was played", f"{folder} is not empty", "", str(folder))
        return 1
    code = asyncio.run(_until_signal(_Demo(folder, database_url, teller).run(once=once)))
    if data_dir is None and code == 0:
        shutil.rmtree(folder, ignore_errors=True)
    return code


async def _until_signal(work: Any) -> int:
    """Do the work; a signal that asks for the end ends it in order, and is no failure."""
    task: asyncio.Task[int] = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        return 0


@dataclass(frozen=True, slots=True)
class _Demo:
    folder: Path
    database_url: str
    teller: Teller

    async def run(self, *, once: bool) -> int:
        """The exit code; what went wrong has been told by then."""
        self.teller.title(
            "Invoices: FastAPI's callbacks tutorial, played for real",
            "an invoice is received, mailed, paid, and called back about",
        )
        try:
            async with self._stage() as (story, service):
                invoice = await self._played(story, service)
                self.teller.ended_well("The whole story worked.")
                if once:
                    self.teller.note("Without --once it serves on: documentation, pages and the console.")
                if not once:
                    await self._serve_on(story, service, invoice)
                self.teller.line()
        except StoryBroken as error:
            self.teller.failed(error.step, error.reason, self._log_tail(), str(self.folder))
            return 1
        except (ProcessFailed, OSError) as error:
            self.teller.failed("The demo could not go on", str(error), "", str(self.folder))
            return 1
        return 0

    @asynccontextmanager
    async def _stage(self) -> AsyncIterator[tuple[Story, Child]]:
        """Both processes, running, and everything that the story needs."""
        port = free_port(SERVICE_PORT)
        url = f"http://127.0.0.1:{port}"
        variables = environment(
            INVOICES_DATA_DIR=str(self.folder),
            INVOICES_DATABASE_URL=self.database_url,
            INVOICES_BASE_URL=url,
            INVOICES_PAYMENTS="sandbox",
            INVOICES_CALLBACK_ALLOW_NETWORKS="127.0.0.0/8",
        )
        arguments = ["-m", "invoices", "serve", "--port", str(port)]
        async with (
            child("the service", arguments, variables, self._service_log) as service,
            httpx.AsyncClient(trust_env=False, timeout=None) as client,  # noqa: S113 (each step has its deadline)
        ):
            with self.teller.waiting("starting the service"):
                await self._ready(client, url, service)
                account = await run_json(_SHOW_ACCOUNT, variables)
            async with self._external_api(account["signing_secret"]) as receiver:
                external = (await receiver.next_line())["url"]
                self.teller.actor("service", url, f"process {service.process.pid}")
                self.teller.actor(
                    "external API", external, f"process {receiver.process.pid}, its own program"
                )
                yield Story(client, url, external, receiver, self.folder / "mail", self.teller), service

    def _external_api(self, secret: str) -> AbstractAsyncContextManager[Child]:
        arguments = ["-m", "invoices.demo.receiver", str(EXTERNAL_PORT)]
        variables = environment(SIGNING_SECRET=secret)
        return child("the external API", arguments, variables, self.folder / "external-api.log", speaks=True)

    async def _ready(self, client: httpx.AsyncClient, url: str, service: Child) -> None:
        async def answers() -> None:
            while service.process.returncode is None:
                try:
                    if (await client.get(f"{url}/openapi.json")).status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.05)
            raise service.ended()

        try:
            await asyncio.wait_for(answers(), START_SECONDS)
        except TimeoutError:
            raise ProcessFailed(f"the service did not start within {START_SECONDS:.0f} seconds") from None

    async def _played(self, story: Story, service: Child) -> dict[str, Any]:
        """The invoice at the end of the story, unless the service ends before."""
        playing = asyncio.ensure_future(story.play())
        ending = asyncio.ensure_future(service.process.wait())
        await asyncio.wait({playing, ending}, return_when=asyncio.FIRST_COMPLETED)
        try:
            if not playing.done():
                raise service.ended()
            return await playing
        finally:
            playing.cancel()
            ending.cancel()
            await asyncio.gather(playing, ending, return_exceptions=True)

    async def _serve_on(self, story: Story, service: Child, invoice: dict[str, Any]) -> None:
        self.teller.links(
            {
                "documentation": f"{story.service}/docs",
                "hosted page": invoice["pay_url"],
                "console": f"{story.service}/console/",
                "its secret": (self.folder / "console-secret").read_text(encoding="ascii").strip(),
                "the invoice": f"{story.service}/invoices/{invoice['id']}",
                "mails": str(story.mail_folder),
                "external API": f"{story.external_api}/docs",
            }
        )
        self.teller.note("Send more invoices from the documentation. Ctrl-C ends the demo.")
        listening = asyncio.ensure_future(self._listen(story.receiver))
        ending = asyncio.ensure_future(service.process.wait())
        try:
            await asyncio.wait({listening, ending}, return_when=asyncio.FIRST_COMPLETED)
            raise service.ended() if ending.done() else story.receiver.ended()
        finally:
            listening.cancel()
            ending.cancel()
            await asyncio.gather(listening, ending, return_exceptions=True)

    async def _listen(self, receiver: Child) -> None:
        while True:
            told = await receiver.next_line()
            self.teller.note(f"the external API was {told['happened']}: {told['url']}")

    @property
    def _service_log(self) -> Path:
        return self.folder / "service.log"

    def _log_tail(self) -> str:
        text = self._service_log.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-20:])
