"""Ringback itself: what an app holds, composed of contracts, outbox and engine."""

import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any, Literal

from fastapi import APIRouter, FastAPI
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncSession

from ringback import _declarations, _document, _migrations
from ringback import fastapi as _fastapi
from ringback._archive import Archive
from ringback._attempt import Acknowledgement, HttpAttempts
from ringback._callers_side import CallersSide
from ringback._channels import Channel, Handler
from ringback._contract import Contracts
from ringback._database import CallersDatabase, Database, engine_for
from ringback._database import configure_sqlite as _configure_sqlite
from ringback._engine import Couriers, Engine, worker_name
from ringback._errors import RingbackError
from ringback._guard import Guard, NetworkPolicy
from ringback._master_keys import MasterKeyFinder, SecretKey
from ringback._metrics import Measures, Standing, exposition, look
from ringback._operators_side import OperatorsSide
from ringback._outbox import Outbox
from ringback._owner_guards import OwnerGuards, OwnerPolicy
from ringback._resolver import SystemResolver
from ringback._schedule import DAY, RetrySchedule
from ringback._store.store import Store
from ringback._transport import Limits, Transport
from ringback._worker import WorkerSettings


class Ringback(CallersSide, OperatorsSide):
    """Delivers the callbacks that a FastAPI app declares.

    `database` is the app's own async engine, or a URL; the default is a SQLite file beside the process.
    With ``worker="embedded"`` deliveries leave from the app's own process while its lifespan runs; with
    ``worker="external"`` it is ``ringback worker module:app`` processes that deliver. Where `database` is a
    pooler in transaction mode, `direct_database` reaches PostgreSQL itself: workers then hear of commits at
    once; without it they poll.

    `secret_key` encrypts signing secrets in the database: a text of ``ringback keys new-master``, several
    while one takes over from another (the first encrypts, all decrypt), or the path of a file. Not given, it
    is ``RINGBACK_KEY`` of the environment; an embedded database falls back on a file beside it.

    `allow_networks` are the networks (CIDR) that may be called although they are not public; `policy` says
    all of that in detail. `owner_policy` gives one owner's own rules beside those (None for no others): its
    `allow_networks` may be called too, and everything else in it must be met as well; it is asked at `bind`
    and at every attempt. `proxy` (``http://host:port``) is an egress proxy that is asked for tunnels, and
    `ssl_context` replaces the system's roots.

    `schedule` says when attempts are due, `attempt_timeout` (seconds) how long one may take, `in_flight` how
    many run at once to one destination, `concurrency` how many in all; `rate_per_host` and `rate_per_owner`
    (attempts a second) bound each worker further. What has ended is deleted after `retention` seconds
    (None: never). `publish` "declared" leaves the keys in the document as they were written, and
    `allow_expressions` are those that keys may read although they can carry secrets into a URL. `now`
    replaces every clock, for tests.
    """

    def __init__(  # noqa: PLR0913  the one place where all settings meet
        self,
        app: FastAPI | None = None,
        *,
        database: Database = "sqlite+aiosqlite:///ringback.db",
        direct_database: Database | None = None,
        worker: Literal["embedded", "external"] = "embedded",
        secret_key: SecretKey | None = None,
        allow_networks: Iterable[str] = (),
        policy: NetworkPolicy | None = None,
        owner_policy: OwnerPolicy | None = None,
        proxy: str | None = None,
        ssl_context: ssl.SSLContext | None = None,
        schedule: RetrySchedule | None = None,
        attempt_timeout: float = 20.0,
        in_flight: int = 16,
        concurrency: int = 256,
        rate_per_host: float | None = None,
        rate_per_owner: float | None = None,
        retention: float | None = 30 * DAY,
        publish: Literal["valid", "declared"] = "valid",
        allow_expressions: Iterable[str] = (),
        now: Callable[[], float] | None = None,
    ) -> None:
        self.worker = worker
        self.engine = engine_for(database)
        self.guard = Guard(policy or NetworkPolicy.from_settings(allow_networks), SystemResolver())
        self.publish = publish
        self.allow_expressions = frozenset(allow_expressions)
        self._proxy = proxy
        self._ssl_context = ssl_context
        self._schedule = schedule or RetrySchedule()
        self._timeout = attempt_timeout
        self._in_flight = in_flight
        self._worker_settings = WorkerSettings(
            worker_name(),
            concurrency=concurrency,
            rate_per_host=rate_per_host,
            rate_per_owner=rate_per_owner,
            retention=retention,
        )
        self._now = now or time.time
        self.master_keys = MasterKeyFinder(secret_key, self.engine.url)
        self._store = Store(self.engine.dialect.name, master_keys=self.master_keys, clock=now)
        self.channels: dict[str, Channel] = {}
        self._measures = Measures()
        self._acknowledgements: dict[Callable[..., Any], Acknowledgement] = {}
        self._app: FastAPI | None = None
        self._contracts: Contracts | None = None
        self._archive = Archive(self._store.contracts)
        self.owner_guards = OwnerGuards(self.guard, owner_policy)
        self.outbox = Outbox(self._store.targets, self._archive, self.contracts, self.owner_guards)
        self._engine = Engine(
            self.engine,
            self._store,
            self._couriers,
            self._transport,
            None if direct_database is None else engine_for(direct_database),
        )
        self._callers = CallersDatabase(self.engine, self._engine.wake, self._engine.wake_later)
        if app is not None:
            self.attach(app)

    def attach(self, app: FastAPI) -> None:
        """Take over an app: its document, its lifespan, and ``app.state.ringback``."""
        if self._app is not None:
            raise RingbackError("This Ringback is attached to an app already; make one for each app.")
        self._app = app
        app.state.ringback = self
        _document.publish(app, form=self.publish, policy=self._schedule.in_words())
        _fastapi.attach(app, self._lifespan)

    def contracts(self) -> Contracts:
        """The declared callbacks, read when the app starts or when they are first needed."""
        if self._contracts is None:
            if self._app is None:
                return Contracts()
            self._contracts = _declarations.read(self._app, allowed=self.allow_expressions)
        return self._contracts

    # --- what counts, and what else rides along ------------------------------------------------------------

    def acknowledge(self, callback: Callable[..., Any], predicate: Callable[[Any], bool]) -> None:
        """Say which documented answers acknowledge; the others are tried again."""
        self._acknowledgements[callback] = predicate

    def channel(
        self,
        name: str,
        handler: Handler,
        *,
        schedule: RetrySchedule | None = None,
        timeout: float = 20.0,
        in_flight: int = 4,
    ) -> None:
        """Let `handler` deliver what is enqueued under `name`, with the same durability as callbacks."""
        channel = Channel(name, handler, schedule or self._schedule, timeout, in_flight)
        self.channels[name] = channel

    # --- running -------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A session of Ringback's own database, committed at the end of the block."""
        async with AsyncSession(self.engine) as session, session.begin():
            yield session

    @asynccontextmanager
    async def running(
        self, *, concurrency: int | None = None, grace: float | None = None
    ) -> AsyncIterator["Ringback"]:
        """Deliver while the block runs; what an app's lifespan and `ringback worker` use.

        `concurrency` goes before the figure that was given to `Ringback`. At the end attempts that run may
        take `grace` seconds (25 if not given) more.
        """
        await self._prepare(migrate=self.worker == "embedded")
        usual = self._worker_settings
        settings = replace(
            usual,
            concurrency=usual.concurrency if concurrency is None else concurrency,
            grace=usual.grace if grace is None else grace,
        )
        await self._engine.start(settings, listen_for_others=self.worker == "external")
        try:
            yield self
        finally:
            await self._engine.stop()

    @property
    def is_delivering(self) -> bool:
        """Whether a worker runs in this process."""
        return self._engine.running

    async def metrics(self) -> str:
        """Figures of this process and of the database, as Prometheus reads them (text format 0.0.4).

        Serve them where strangers cannot ask; each call reads the database. Their names are on the page
        *How to observe* of the documentation.
        """

        def work(connection: Connection) -> Standing:
            self._store.settle(connection)
            return look(connection, self._store.now(connection))

        async with self.engine.connect() as connection:
            await connection.execution_options(sqlite_read_only=True)
            standing = await connection.run_sync(work)
        return exposition(self._measures, standing, is_delivering=self.is_delivering)

    async def ended(self) -> None:
        """Return when the worker of this process has ended, by its own failure too."""
        await self._engine.ended()

    async def drain(self, timeout: float = 30.0) -> None:
        """Wait until nothing is due and no attempt runs; raises TimeoutError after `timeout` seconds."""
        await self._engine.drain(timeout)

    async def migrate(self) -> tuple[str | None, str]:
        """Bring the tables up to date; returns the revision before and after."""
        async with self.engine.begin() as connection:
            return await connection.run_sync(_migrations.upgrade)

    def jwks_router(self) -> APIRouter:
        """A router for ``app.include_router``: ``/.well-known/jwks.json`` with the owners' public keys."""
        return _fastapi.jwks_router(self)

    configure_sqlite = staticmethod(_configure_sqlite)

    @asynccontextmanager
    async def _lifespan(self) -> AsyncIterator[None]:
        if self.worker == "embedded":
            async with self.running():
                yield
        else:
            await self._prepare(migrate=False)
            await self._engine.start_notifying()
            yield
            await self._engine.stop()
        await self.engine.dispose()

    async def _prepare(self, *, migrate: bool) -> None:
        contracts = self.contracts()
        await self._engine.prepare(migrate=migrate)
        await self._archive.keep(self.engine, contracts)

    def _transport(self) -> Transport:
        # As many connections are kept as can be in use at once.
        limits = Limits(idle_per_place=self._in_flight)
        return Transport(self.guard, ssl_context=self._ssl_context, proxy=self._proxy, limits=limits)

    def _couriers(self, transport: Transport) -> Couriers:
        return Couriers(
            HttpAttempts(transport, timeout=self._timeout, guard_of=self.owner_guards.of, clock=self._now),
            self.contracts,
            partial(self._archive.fetch, self.engine),
            self.channels,
            self._acknowledgements,
            schedule=self._schedule,
            timeout=self._timeout,
            in_flight=self._in_flight,
            measures=self._measures,
        )
