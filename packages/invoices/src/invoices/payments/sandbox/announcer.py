"""How the sandbox tells the service what happened: signed webhooks, posted until they are acknowledged."""

import asyncio
import hashlib
import hmac
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx

from invoices.payments.sandbox.ledger import Event, Ledger

__all__ = ["Announcer", "signature"]

_log = logging.getLogger(__name__)

PAUSES = (0.2, 0.5, 1, 2, 4, 8, 15, 30, 60)
"""Seconds before each further try; after the last one the event waits for the sandbox's next start."""

DEADLINE = 15.0
"""Seconds for one try, from connecting to the last byte of the answer."""


def signature(secret: str, timestamp: int, payload: str) -> str:
    """The value of the ``Stripe-Signature`` header, scheme v1: HMAC-SHA256 over time and payload."""
    digest = hmac.new(secret.encode(), f"{timestamp}.{payload}".encode(), hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


class Announcer:
    """Posts events to one webhook URL. `url` None keeps every event for later: the sandbox never tells."""

    def __init__(
        self, ledger: Ledger, url: str | None, secret: str, *, now: Callable[[], float] = time.time
    ) -> None:
        self._ledger = ledger
        self._url = url
        self._secret = secret
        self._now = now
        self._client: httpx.AsyncClient | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Tell what an earlier run could not, and whatever `announce` is given; stop at the end."""
        async with httpx.AsyncClient(trust_env=False, timeout=DEADLINE) as client:
            self._client = client
            self.announce(await self._ledger.untold())
            try:
                yield
            finally:
                self._client = None
                for task in self._tasks:
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)

    def announce(self, events: list[Event]) -> None:
        """Begin to tell these events; returns at once. While nothing runs they wait in the ledger."""
        if self._client is None or self._url is None:
            return
        for event in events:
            task = asyncio.create_task(self._tell(self._client, self._url, event), name=f"tell {event.id}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _tell(self, client: httpx.AsyncClient, url: str, event: Event) -> None:
        for pause in (*PAUSES, None):
            if await self._post(client, url, event):
                await self._ledger.mark_told(event.id)
                return
            if pause is not None:
                await asyncio.sleep(pause)
        _log.warning("%s did not accept the sandbox's event %s; told again at the next start", url, event.id)

    async def _post(self, client: httpx.AsyncClient, url: str, event: Event) -> bool:
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Invoices-Sandbox/1.0",
            "Stripe-Signature": signature(self._secret, int(self._now()), event.payload),
        }
        try:
            async with asyncio.timeout(DEADLINE):
                answer = await client.post(url, content=event.payload.encode(), headers=headers)
        except (httpx.HTTPError, TimeoutError):
            return False
        return answer.is_success
