"""The sandbox as an application: mounted by the service, or served alone."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from fastapi import FastAPI

from invoices.pages import assets
from invoices.payments.keys import ProviderKeys
from invoices.payments.sandbox import api, checkout
from invoices.payments.sandbox.announcer import Announcer
from invoices.payments.sandbox.ledger import Answer, Books, Event, Ledger
from invoices.payments.sandbox.rules import pass_time
from invoices.settings import Settings

__all__ = ["Sandbox", "SandboxConfig"]

_Rule = Callable[..., tuple[dict[str, Any], list[Event]]]


@dataclass(frozen=True, slots=True)
class SandboxConfig:
    """`public_url` is where browsers and the SDK reach the sandbox, without a slash at its end.

    `webhook_url` is where events are posted, signed with `webhook_secret`; None never tells. `path` is the
    SQLite file that the sandbox keeps.
    """

    public_url: str
    webhook_url: str | None
    path: Path
    api_key: str = field(repr=False)
    webhook_secret: str = field(repr=False)


class Sandbox:
    """A payment provider in which no money moves. `app` is what is served, while `running()` is entered.

    Served alone, `app` enters `running()` itself; mounted in another application, whose servers do not run a
    mounted application's lifespan, the other one must.
    """

    def __init__(self, config: SandboxConfig, *, now: Callable[[], float] = time.time) -> None:
        if not config.api_key.startswith("sk_test_"):
            raise ValueError(
                "The payment sandbox takes only keys that begin with sk_test_, so that nobody mistakes it "
                "for real payment; remove INVOICES_STRIPE_SECRET_KEY, or set INVOICES_PAYMENTS=stripe"
            )
        self.config = config
        self.ledger = Ledger(config.path)
        self._announcer = Announcer(self.ledger, config.webhook_url, config.webhook_secret, now=now)
        self._now = now
        self._expected: set[asyncio.Task[None]] = set()
        self.app = self._application()

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The sandbox that belongs to a service with these settings; raises where they mean real payment."""
        if settings.payments != "sandbox":
            raise ValueError(
                f"INVOICES_PAYMENTS={settings.payments} takes real money: the payment sandbox does not start"
            )
        keys = ProviderKeys.of(settings)
        inside = (settings.stripe_api_base or f"{settings.site}/sandbox").removesuffix("/sandbox")
        return cls(
            SandboxConfig(
                public_url=f"{settings.site}/sandbox",
                webhook_url=f"{inside}/payments/stripe",
                path=settings.prepare_data_dir() / "sandbox.db",
                api_key=keys.api_key,
                webhook_secret=keys.webhook_secret,
            )
        )

    def now(self) -> int:
        """The sandbox's clock, in seconds since 1970."""
        return int(self._now())

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the file ready and tell the service what happens, also what an earlier run could not tell."""
        await self.ledger.prepare()
        async with self._announcer.running():
            for session_id, due in await self.ledger.due():
                self._expect(session_id, due)
            try:
                yield
            finally:
                for task in self._expected:
                    task.cancel()
                await asyncio.gather(*self._expected, return_exceptions=True)

    async def answer_once(
        self,
        key: str | None,
        fingerprint: str,
        make: Callable[[Books], tuple[dict[str, Any], list[Event]]],
    ) -> Answer:
        """Make an object once for each idempotency key, and tell what came of it."""
        answer = await self.ledger.answer_once(key, fingerprint, make)
        self._announcer.announce(list(answer.events))
        return answer

    async def change(self, session_id: str, rule: _Rule) -> dict[str, Any] | None:
        """Apply one of the rules of `sessions` to a session, and tell what came of it; None if unknown."""
        now = self.now()
        changed = await self.ledger.change(session_id, lambda session: rule(session, now=now))
        if changed is None:
            return None
        session, events = changed
        self._announcer.announce(events)
        if events and (due := session["sandbox"]["due"]) is not None:
            self._expect(session_id, due)
        return session

    def _expect(self, session_id: str, due: int) -> None:
        """Let happen what happens to a session by itself, when it is time."""

        async def wait() -> None:
            await asyncio.sleep(max(due - self._now(), 0) + 0.01)
            await self.change(session_id, pass_time)

        task = asyncio.create_task(wait(), name=f"wait for {session_id}")
        self._expected.add(task)
        task.add_done_callback(self._expected.discard)

    def _application(self) -> FastAPI:
        @asynccontextmanager
        async def alone(_app: FastAPI) -> AsyncIterator[None]:
            async with self.running():
                yield

        app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, lifespan=alone)
        app.state.sandbox = self
        app.include_router(assets.router)
        app.include_router(api.router)
        app.include_router(checkout.router)
        app.add_exception_handler(api.Refused, api.refuse)
        return app
