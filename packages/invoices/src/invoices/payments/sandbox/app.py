"""The sandbox as an application: mounted by the service, or served alone."""

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
from invoices.payments.sandbox.ledger import Event, Ledger
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
            yield

    async def change(self, session_id: str, rule: _Rule) -> dict[str, Any] | None:
        """Apply one of the rules of `sessions` to a session, and tell what came of it; None if unknown."""
        now = self.now()
        changed = await self.ledger.change(session_id, lambda session: rule(session, now=now))
        if changed is None:
            return None
        session, events = changed
        self._announcer.announce(events)
        return session

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
