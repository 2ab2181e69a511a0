"""A listener of this process, and its page."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from ringback.kit._declared import choose
from ringback.kit.listen import Entry, Listener, open_port, run

Open = Callable[..., AbstractAsyncContextManager["Listening"]]


@dataclass
class Listening:
    """`url` is what a provider is given, `page` where the page is."""

    listener: Listener
    url: str
    page: str
    client: httpx2.AsyncClient

    @property
    def last(self) -> Entry:
        """What came in last."""
        return self.listener.journal.after(0)[-1]

    def findings(self) -> dict[str, str]:
        """What was found in the last request, by subject."""
        return {check.subject: check.finding.value for check in self.last.checks}

    async def feed(self, **query: Any) -> Any:
        answer = await self.client.get(f"{self.page}/requests.json", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
def listening() -> Open:
    """``async with listening(document, **settings) as there``: settings are those of `Listener` and `run`."""

    @asynccontextmanager
    async def opened(
        document: dict[str, Any], *, wanted: tuple[str, ...] = (), max_body: int = 1 << 20, **settings: Any
    ) -> AsyncIterator[Listening]:
        listener = Listener(document, choose(document, wanted), **settings)
        closing, started = asyncio.Event(), asyncio.Event()
        with open_port("127.0.0.1", 0) as port, open_port("127.0.0.1", 0) as page:
            urls = [f"http://127.0.0.1:{one.getsockname()[1]}" for one in (port, page)]
            serving = asyncio.create_task(
                run(
                    listener,
                    port,
                    page,
                    closing=closing,
                    title="d.json",
                    max_body=max_body,
                    started=started.set,
                )
            )
            await started.wait()
            try:
                async with httpx2.AsyncClient(trust_env=False, timeout=30) as client:
                    yield Listening(listener, urls[0], urls[1], client)
            finally:
                closing.set()
                await serving

    return opened
