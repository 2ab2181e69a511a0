"""What callers do in their own transactions: bind, send, enqueue, cancel, replay, ask."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, overload

from fastapi import FastAPI
from sqlalchemy import Connection

from ringback import _declarations
from ringback._channels import Channel
from ringback._database import AsyncCaller, Caller, CallersDatabase
from ringback._engine import Engine
from ringback._errors import NothingDelivers, RingbackError
from ringback._outbox import BoundUrl, Outbox
from ringback._schedule import DAY
from ringback._sending import AsyncSender, Sender, seconds_until
from ringback._signing import V1A
from ringback._store import reports
from ringback._store.reports import DeliveryReport, KeyReport
from ringback._store.store import Store
from ringback._types import Delivery, Exchange, Target
from ringback._urls import IPAddress


class CallersSide:
    """The half of `Ringback` whose methods take the caller's session and never commit."""

    worker: str
    outbox: Outbox
    channels: dict[str, Channel]
    _app: FastAPI | None
    _engine: Engine
    _callers: CallersDatabase
    _store: Store
    _now: Callable[[], float]

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
        looked_up: Mapping[str, Sequence[IPAddress]] | None = None,
    ) -> Awaitable[Target] | Target:
        """Store URLs that were resolved before; what `Callbacks.bind` does.

        `looked_up` are addresses of their hosts that only the owner's rules can judge.
        """
        self._require_delivery()

        def work(connection: Connection) -> Target:
            return self.outbox.bind(
                connection,
                resolved,
                operation=operation,
                key=key,
                owner=owner,
                replace=replace,
                looked_up=looked_up,
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

    async def rotate_secret(self, session: AsyncCaller, *, owner: str = "", overlap: float = DAY) -> str:
        """A new signing secret; for `overlap` seconds requests carry signatures of both."""
        return await self._callers.run_async(
            session, lambda connection: self._store.keys.rotate(connection, owner, overlap=overlap)
        )

    async def public_key(self, session: AsyncCaller, *, owner: str = "") -> str:
        """The owner's current public key (``whpk_…``), made now if there is none.

        From then on requests carry a ``v1a`` signature (Ed25519) beside the ``v1`` one, so that a receiver
        need not keep a secret. The key is the owner's own: with one for all, what was signed for one owner
        would be accepted by another.
        """
        return await self._callers.run_async(
            session, lambda connection: self._store.keys.ensure_public(connection, owner)
        )

    async def rotate_key_pair(self, session: AsyncCaller, *, owner: str = "", overlap: float = DAY) -> str:
        """A new public key; for `overlap` seconds requests carry signatures of both."""

        def work(connection: Connection) -> str:
            self._store.keys.rotate(connection, owner, overlap=overlap, kind=V1A)
            return self._store.keys.ensure_public(connection, owner)

        return await self._callers.run_async(session, work)

    async def keys(self, session: AsyncCaller, owner: str | None = None) -> list[KeyReport]:
        """The signing keys without their secrets, of one owner or of all: current, retiring and retired."""
        return await self._callers.run_async(
            session, lambda connection: reports.list_keys(connection, owner=owner)
        )

    async def public_keys(self, session: AsyncCaller, *, kid: str | None = None) -> list[KeyReport]:
        """The public keys that sign now; with `kid` those of the owner whose key has, or had, that id."""

        def work(connection: Connection) -> list[KeyReport]:
            return reports.list_public_keys(connection, self._store.now(connection), kid=kid)

        return await self._callers.run_async(session, work)

    async def deliveries(
        self, session: AsyncCaller, *, owner: str | None = None, key: str | None = None, limit: int = 100
    ) -> list[DeliveryReport]:
        """How deliveries stand, the newest first."""
        return await self._callers.run_async(
            session, lambda connection: reports.list_deliveries(connection, owner=owner, key=key, limit=limit)
        )

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
