"""The composition root: every part of the service is made here and put together."""

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI

from invoices import __version__, console, docs_page, errors, health, migrations
from invoices.accounts import service as accounts
from invoices.accounts.usage import KeyUses
from invoices.console import Reading
from invoices.database import connect, make_sessions
from invoices.errors import UnexpectedErrors
from invoices.invoices import account_settings, due
from invoices.invoices import endpoints as invoice_endpoints
from invoices.invoices.callbacks import invoice_notification
from invoices.invoices.idempotency import KeysInUse
from invoices.invoices.mailed import Mailed
from invoices.limits import BodyLimits
from invoices.mail.channel import SCHEDULE as MAIL_SCHEDULE
from invoices.mail.channel import TIMEOUT as MAIL_TIMEOUT
from invoices.mail.channel import MailChannel
from invoices.pages import endpoints as page_endpoints
from invoices.pages.watching import Watchers
from invoices.payments import endpoints as payment_endpoints
from invoices.payments import reconciliation
from invoices.payments.provider import Provider
from invoices.payments.refunds import Refunds
from invoices.payments.sandbox import Sandbox
from invoices.payments.service import Cashier
from invoices.pdf import Renderer
from invoices.rate_limits import RateLimits
from invoices.security_headers import SecurityHeaders
from invoices.settings import Settings
from ringback import Ringback
from ringback.console import Console

__all__ = ["create_app"]

logger = logging.getLogger(__name__)

_DESCRIPTION = """
Create an invoice; the service sends it to your customer, collects the money, and calls your API back.
What to build for that is under **Callbacks** of *Create Invoice*. Every error is a problem document
(RFC 9457) that names the field and the reason.
"""


def create_app(settings: Settings | None = None) -> FastAPI:
    """The whole service; also for ``uvicorn --factory invoices.app:create_app``."""
    settings = settings or Settings()
    settings.prepare_data_dir()
    app = FastAPI(
        title="Invoices",
        version=__version__,
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
    )
    errors.install(app)
    engine = connect(settings.database)
    app.state.settings = settings
    app.state.engine = engine
    app.state.sessions = make_sessions(engine)
    app.state.keys_in_use = KeysInUse()
    app.state.key_uses = KeyUses(app.state.sessions)
    app.state.rate_limits = RateLimits.from_settings(settings)
    app.state.renderer = Renderer()
    app.state.watchers = Watchers.on(app.state.sessions)
    app.state.provider = Provider.from_settings(settings)
    ringback = _make_ringback(app, settings)
    docs_page.install(app)
    app.include_router(invoice_endpoints.router)
    app.include_router(payment_endpoints.refunds_router)
    app.include_router(account_settings.router)
    app.include_router(payment_endpoints.router)
    app.include_router(page_endpoints.router)
    app.include_router(ringback.jwks_router(), responses=errors.responses(errors.Invalid))
    app.include_router(health.router)
    _mount_sandbox(app, settings)
    _mount_console(app, settings, ringback)
    # The last one added is the outermost.
    app.add_middleware(BodyLimits)
    app.add_middleware(UnexpectedErrors)
    app.add_middleware(SecurityHeaders)
    return app


def _make_ringback(app: FastAPI, settings: Settings) -> Ringback:
    """What delivers callbacks and mails, and when a callback counts as acknowledged."""
    ringback = Ringback(
        app,
        database=app.state.engine,
        worker=settings.worker,
        secret_key=settings.signing_keys,
        policy=settings.callback_policy,
        proxy=settings.callback_proxy.get_secret_value() if settings.callback_proxy else None,
        rate_per_host=settings.callback_rate_per_host or None,
    )
    ringback.acknowledge(invoice_notification, lambda answer: answer.ok)

    sessions = app.state.sessions
    mailed = Mailed(sessions, ringback, settings)
    ringback.channel(
        "mail",
        MailChannel(
            settings,
            mailed.link_to,
            is_owed=mailed.is_owed,
            note=mailed.note,
            renderer=app.state.renderer,
        ),
        schedule=MAIL_SCHEDULE,
        timeout=MAIL_TIMEOUT,
    )
    ringback.channel(due.CHANNEL, due.Overdue(sessions, ringback))
    ringback.channel(
        reconciliation.CHANNEL,
        reconciliation.Reminded(
            Cashier(sessions, ringback, app.state.provider, settings),
            Refunds(sessions, ringback, app.state.provider),
        ),
        timeout=reconciliation.TIMEOUT,
    )
    return ringback


def _mount_console(app: FastAPI, settings: Settings, ringback: Ringback) -> None:
    if secret := settings.console_secret.get_secret_value():
        link_to = Mailed(app.state.sessions, ringback, settings).link_to
        reading = Reading(settings, app.state.sessions, ringback, app.state.renderer, link_to)
        own = console.sections(reading)
        app.mount(
            "/console",
            Console(ringback, secret=secret, base_url=settings.site, title="Invoices", sections=own),
        )


def _mount_sandbox(app: FastAPI, settings: Settings) -> None:
    app.state.sandbox = None
    if settings.payments == "sandbox":
        app.state.sandbox = Sandbox.from_settings(settings)
        app.mount("/sandbox", app.state.sandbox.app)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    embedded = settings.worker == "embedded"
    async with app.state.engine.begin() as connection:
        await connection.run_sync(migrations.upgrade if embedded else migrations.check)
    async with app.state.sessions.begin() as session:
        await accounts.ensure_default(session)
    if settings.callback_allow_networks:
        networks = ", ".join(settings.callback_allow_networks)
        logger.warning("callbacks may reach these networks beside the public internet: %s", networks)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(app.state.provider.close)
        await stack.enter_async_context(app.state.key_uses.running())
        if app.state.sandbox is not None:
            await stack.enter_async_context(app.state.sandbox.running())
        yield
