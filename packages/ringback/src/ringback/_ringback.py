"""Ringback itself: what an app holds, composed of contracts, outbox and engine."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Literal, overload

from fastapi import FastAPI
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncSession

from ringback import _declarations, _document, _migrations
from ringback import fastapi as _fastapi
from ringback._attempt import Acknowledgement, HttpAttempts
from ringback._channels import Channel, Handler
from ringback._contract import Contracts
from ringback._database import AsyncCaller, Caller, CallersDatabase, Database, engine_for
from ringback._database import configure_sqlite as _configure_sqlite
from ringback._engine import Couriers, Engine, worker_name
from ringback._errors import NothingDelivers, RingbackError
from ringback._guard import Guard, NetworkPolicy
from ringback._outbox import BoundUrl, Outbox
from ringback._resolver import SystemResolver
from ringback._schedule import RetrySchedule
from ringback._sending import AsyncSender, Sender, seconds_until
from ringback._store import reports
from ringback._store.reports import DeliveryReport
from ringback._store.store import Store
from ringback._transport import Limits, Transport
from ringback._types import Delivery, Exchange, Target
from ringback._worker import WorkerSettings


class Ringback:
    """Delivers the callbacks that a FastAPI app declares.

    `database` is the app's own async engine, or a URL; the default is a SQLite file beside the process.
    With ``worker="embedded"`` deliveries leave from the app's own process while its lifespan runs; with
    ``worker="external"`` it is ``ringback worker module:app`` processes that deliver. `allow_networks` are
    the networks (CIDR) that may be called although they are not public. `schedule` says when attempts are
    due, `attempt_timeout` (seconds) how long one may take, `in_flight` how many run at once to one
    destination, `concurrency` how many in all. `publish` "declared" leaves the keys in the document as
    they were written. `now` replaces every clock, for tests.
    """

    def __init__(
        self,
        app: FastAPI | None = None,
        *,
        database: Database = "sqlite+aiosqlite:///ringback.db",
        worker: Literal["embedded", "external"] = "embedded",
        allow_networks: Iterable[str] = (),
        policy: NetworkPolicy | None = None,
        schedule: RetrySchedule | None = None,
        attempt_timeout: float = 20.0,
        in_flight: int = 16,
        concurrency: int = 256,
        publish: Literal["valid", "declared"] = "valid",
        now: Callable[[], float] | None = None,
    ) -> None:
        self.worker = worker
        self.engine = engine_for(database)
        self.guard = Guard(policy or NetworkPolicy.from_settings(allow_networks), SystemResolver())
        self.publish = publish
        self._schedule = schedule or RetrySchedule()
        self._timeout = attempt_timeout
        self._in_flight = in_flight
        self._worker_settings = WorkerSettings(
            worker_name(), concurrency=concurrency, lease=max(60.0, attempt_timeout + 20.0)
        )
        self._now = now or time.time
        self._store = Store(self.engine.dialect.name, clock=now)
        self.channels: dict[str, Channel] = {}
        self._acknowledgements: dict[Callable[..., Any], Acknowledgement] = {}
        self._app: FastAPI | None = None
        self._contracts: Contracts | None = None
        self.outbox = Outbox(self._store.targets, self.contracts, self.guard.policy.check_url)
        self._engine = Engine(self.engine, self._store, self._couriers, self._transport)
        self._callers = CallersDatabase(self.engine, self._engine.wake)
        if app is not None:
            self.attach(app)

    def attach(self, app: FastAPI) -> None:
        """Take over an app: its document, its lifespan, and ``app.state.ringback``."""
        if self._app is not None:
            raise RingbackError("This Ringback is attached to an app already; make one for each app.")
        self._app = app
        app.state.ringback = self
        _document.publish(app, form=self.publish)
        _fastapi.attach(app, self._lifespan)

    def contracts(self) -> Contracts:
        """The declared callbacks, read when the app starts or when they are first needed."""
        if self._contracts is None:
            self._contracts = _declarations.read(self._app) if self._app is not None else Contracts()
        return self._contracts

    # --- in the caller's transaction -----------------------------------------------------------------------

    @overload
    def to(
        self, session: AsyncCaller, *, key: str, owner: str = ..., operation: str | None = ...
    ) -> AsyncSender: ...
    @overload
    def to(self, session: Caller, *, key: str, owner: str = ..., operation: str | None = ...) -> Sender: ...
    def to(
        self, session: AsyncCaller | Caller, *, key: str, owner: str = "", operation: str | None = None
    ) -> AsyncSender | Sender:
        """The target that was bound under `key`, ready to be sent to in this session's transaction."""
        self._require_delivery()
        if isinstance(session, AsyncCaller):
            return AsyncSender(self.outbox, self._callers, session, key, owner, operation, self._now)
        return Sender(self.outbox, self._callers, session, key, owner, operation, self._now)

    @overload
    def bind(
        self,
        session: AsyncCaller,
        operation: str | Callable[..., Any],
        *,
        key: str,
        exchange: Exchange,
        owner: str = ...,
        replace: bool = ...,
    ) -> Awaitable[Target]: ...
    @overload
    def bind(
        self,
        session: Caller,
        operation: str | Callable[..., Any],
        *,
        key: str,
        exchange: Exchange,
        owner: str = ...,
        replace: bool = ...,
    ) -> Target: ...
    def bind(
        self,
        session: AsyncCaller | Caller,
        operation: str | Callable[..., Any],
        *,
        key: str,
        exchange: Exchange,
        owner: str = "",
        replace: bool = False,
    ) -> Awaitable[Target] | Target:
        """Bind outside a request: `operation` is an operation id or the endpoint function."""
        operation_id = self._operation_id(operation)
        resolved = self.outbox.resolve(operation_id, exchange)
        return self.bind_resolved(session, resolved, operation_id, key=key, owner=owner, replace=replace)

    def bind_resolved(
        self,
        session: AsyncCaller | Caller,
        resolved: Mapping[str, BoundUrl],
        operation: str,
        *,
        key: str,
        owner: str,
        replace: bool,
    ) -> Awaitable[Target] | Target:
        """Store URLs that were resolved and judged before; what `Callbacks.bind` does."""
        self._require_delivery()

        def work(connection: Connection) -> Target:
            return self.outbox.bind(
                connection, resolved, operation=operation, key=key, owner=owner, replace=replace
            )

        if isinstance(session, AsyncCaller):
            return self._callers.run_async(session, work)
        return self._callers.run(session, work)

    def enqueue(
        self,
        session: AsyncCaller,
        channel: str,
        payload: Any,
        *,
        to: str,
        key: str | None = None,
        owner: str = "",
        not_before: datetime | timedelta | None = None,
    ) -> Awaitable[Delivery]:
        """Owe one delivery of the app's own channel; with a `key` a second call gives the first one."""
        self._require_delivery()
        registered = self.channels.get(channel)
        if registered is None:
            raise RingbackError(f"No channel {channel!r}: call ringback.channel({channel!r}, handler) first.")
        delay = seconds_until(not_before, self._now)

        def work(connection: Connection) -> Delivery:
            return self.outbox.enqueue(
                connection, registered, payload, to=to, key=key, owner=owner, delay=delay
            )

        return self._callers.run_async(session, work)

    async def cancel(self, session: AsyncCaller, delivery_id: str) -> bool:
        """End a delivery before its next attempt; False when an attempt is under way or it has ended."""
        return await self._callers.run_async(
            session, lambda connection: self._store.operations.cancel(connection, delivery_id)
        )

    async def replay(self, session: AsyncCaller, delivery_id: str) -> bool:
        """Send a finished delivery again, same id, new run of the schedule; False while it is still open."""
        return await self._callers.run_async(
            session, lambda connection: self._store.operations.replay(connection, delivery_id)
        )

    async def signing_secret(self, session: AsyncCaller, *, owner: str = "") -> str:
        """The owner's current signing secret (``whsec_…``), made now if there is none."""
        return await self._callers.run_async(
            session, lambda connection: self._store.keys.ensure(connection, owner)
        )

    async def rotate_secret(self, session: AsyncCaller, *, owner: str = "", overlap: float = 86_400.0) -> str:
        """A new signing secret; for `overlap` seconds requests carry signatures of both."""
        return await self._callers.run_async(
            session, lambda connection: self._store.keys.rotate(connection, owner, overlap=overlap)
        )

    async def deliveries(
        self, session: AsyncCaller, *, owner: str | None = None, key: str | None = None, limit: int = 100
    ) -> list[DeliveryReport]:
        """How deliveries stand, the newest first."""
        return await self._callers.run_async(
            session, lambda connection: reports.list_deliveries(connection, owner=owner, key=key, limit=limit)
        )

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
        self.contracts()
        await self._engine.prepare(migrate=self.worker == "embedded")
        usual = self._worker_settings
        settings = replace(
            usual,
            concurrency=usual.concurrency if concurrency is None else concurrency,
            grace=usual.grace if grace is None else grace,
        )
        await self._engine.start(settings)
        try:
            yield self
        finally:
            await self._engine.stop()

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

    configure_sqlite = staticmethod(_configure_sqlite)

    @asynccontextmanager
    async def _lifespan(self) -> AsyncIterator[None]:
        if self.worker == "embedded":
            async with self.running():
                yield
        else:
            self.contracts()
            await self._engine.prepare(migrate=False)
            yield
        await self.engine.dispose()

    def _operation_id(self, operation: str | Callable[..., Any]) -> str:
        if isinstance(operation, str):
            return operation
        if self._app is None:
            raise RingbackError("This Ringback has no app yet; name the operation by its operationId.")
        return _declarations.operation_of_endpoint(self._app, operation)

    def _require_delivery(self) -> None:
        if self.worker == "embedded" and not self._engine.running:
            raise NothingDelivers(
                "Nothing in this process would ever deliver this. Run the app with its lifespan, or wrap the "
                'work in `async with ringback.running():`, or say Ringback(worker="external") and run '
                "`ringback worker module:app`."
            )

    def _transport(self) -> Transport:
        # As many connections are kept as can be in use at once.
        return Transport(self.guard, limits=Limits(idle_per_place=self._in_flight))

    def _couriers(self, transport: Transport) -> Couriers:
        return Couriers(
            HttpAttempts(transport, timeout=self._timeout, clock=self._now),
            self.contracts,
            self.channels,
            self._acknowledgements,
            schedule=self._schedule,
            timeout=self._timeout,
            in_flight=self._in_flight,
        )
