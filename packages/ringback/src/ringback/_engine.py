"""The engine: one database, one transport, one worker, started and stopped together."""

import asyncio
import logging
import os
import secrets
import socket
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from ringback import _migrations
from ringback._attempt import Acknowledgement, HttpAttempts, make_channel_attempt
from ringback._channels import HTTP, Channel
from ringback._contract import Contract, Contracts
from ringback._drift import EarlierContract
from ringback._metrics import Measures
from ringback._openapi.answer import Answers
from ringback._schedule import RetrySchedule
from ringback._store.claims import Claimed
from ringback._store.store import Store
from ringback._tracing import TRACEPARENT, attempting, parent_of
from ringback._transport import Transport
from ringback._types import Delivery
from ringback._verdict import Verdict
from ringback._wakeup import Notifier, listen
from ringback._worker import Worker, WorkerSettings

logger = logging.getLogger("ringback.worker")

_SOON = (0.01, 0.1)


class Couriers:
    """Makes attempts: HTTP callbacks by the transport, everything else by the app's channels."""

    def __init__(
        self,
        http: HttpAttempts,
        contracts: Callable[[], Contracts],
        earlier: Callable[[str], Awaitable[EarlierContract | None]],
        channels: Mapping[str, Channel],
        acknowledgements: Mapping[Callable[..., object], Acknowledgement],
        *,
        schedule: RetrySchedule,
        timeout: float,
        in_flight: int,
        measures: Measures,
    ) -> None:
        self._http = http
        self._measures = measures
        self._contracts = contracts
        self._earlier = earlier
        self._channels = channels
        self._acknowledgements = acknowledgements
        self._schedule = schedule
        self._timeout = timeout
        self._in_flight = in_flight

    async def attempt(self, claimed: Claimed, secrets: Sequence[str]) -> Verdict:
        """Make one attempt by the delivery's channel, count it, and tell its trace if it belongs to one."""
        started, parent = time.monotonic(), parent_of(claimed.headers)
        if parent is None:
            verdict = await self._make(claimed, secrets)
        else:
            with attempting(claimed, parent) as span:
                fields = (*claimed.headers[:-1], (TRACEPARENT, span.traceparent))
                verdict = await self._make(claimed._replace(headers=fields), secrets)
                span.ended(verdict.state.value, verdict.status_code, verdict.text)
        self._measures.attempted(claimed.channel, verdict, time.monotonic() - started)
        return verdict

    async def _make(self, claimed: Claimed, secrets: Sequence[str]) -> Verdict:
        if claimed.channel == HTTP:
            contract = self._contracts().get(claimed.operation or "", claimed.callback or "")
            function = None if contract is None else contract.function
            return await self._http.make(
                claimed,
                secrets=secrets,
                answers=await self._promised(claimed, contract),
                acknowledges=None if function is None else self._acknowledgements.get(function),
            )
        channel = self._channels.get(claimed.channel)
        if channel is None:
            raise LookupError(
                f"no channel {claimed.channel!r} is registered in this worker: "
                "call ringback.channel(name, handler) where the app is made"
            )
        return await make_channel_attempt(channel, _delivery(claimed))

    async def _promised(self, claimed: Claimed, contract: Contract | None) -> Answers | None:
        """What the receiver was promised to be judged by; another version of the app may have promised it."""
        if claimed.contract is None or (contract is not None and contract.fingerprint == claimed.contract):
            return contract
        earlier = await self._earlier(claimed.contract)
        return contract if earlier is None else earlier.answers(contract)

    def schedule_of(self, channel: str) -> RetrySchedule:
        """The channel's own schedule, or the one of HTTP callbacks."""
        own = self._channels.get(channel)
        return self._schedule if own is None else own.schedule

    def timeout_of(self, channel: str) -> float:
        """Seconds that one attempt may take in all."""
        own = self._channels.get(channel)
        return self._timeout if own is None else own.timeout

    def in_flight_of(self, destination: str) -> int:
        """Attempts side by side; a channel's destination begins with the channel's name."""
        own = self._channels.get(destination.partition(" ")[0])
        return self._in_flight if own is None else own.in_flight


class Engine:
    """What runs while an app or a worker process is up."""

    def __init__(
        self,
        database: AsyncEngine,
        store: Store,
        couriers: Callable[[Transport], Couriers],
        transport: Callable[[], Transport],
        listening: AsyncEngine | None = None,
    ) -> None:
        self._database = database
        self._listening = listening or database
        self._store = store
        self._couriers = couriers
        self._new_transport = transport
        self._transport: Transport | None = None
        self._worker: Worker | None = None
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._on_commit: Callable[[], None] | None = None
        self._hints: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        """Whether a worker runs in this process."""
        return self._task is not None and not self._task.done()

    async def start(self, settings: WorkerSettings, *, listen_for_others: bool) -> None:
        """Start the worker in the running loop; on PostgreSQL it can listen for others' commits."""
        self._loop = asyncio.get_running_loop()
        self._transport = self._new_transport()
        couriers = self._couriers(self._transport)
        self._worker = Worker(self._database, self._store, couriers, settings)
        self._on_commit = self._worker.wake
        self._task = asyncio.create_task(self._worker.run(), name="ringback worker")
        self._task.add_done_callback(_report_crash)
        if self._database.dialect.name == "postgresql" and listen_for_others:
            self._hints = asyncio.create_task(listen(self._listening, self._worker.wake))

    async def start_notifying(self) -> None:
        """Start telling workers in other processes what is committed here, where the database can."""
        if self._database.dialect.name == "postgresql":
            self._loop = asyncio.get_running_loop()
            notifier = Notifier(self._database)
            self._on_commit = notifier.notify
            self._hints = asyncio.create_task(notifier.run())

    async def ended(self) -> None:
        """Return when no worker runs here any more."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def stop(self) -> None:
        """Let running attempts end within the grace time, record them, and close everything."""
        if self._hints is not None:
            self._hints.cancel()
            await asyncio.wait([self._hints])
        if self._listening is not self._database:
            await self._listening.dispose()
        if self._worker is not None and self._task is not None:
            await self._worker.stop()
            await asyncio.wait([self._task], timeout=10.0)
            self._task.cancel()
        if self._transport is not None:
            await self._transport.close()
        self._worker = self._task = self._transport = self._loop = self._on_commit = self._hints = None

    def wake(self) -> None:
        """Tell the worker, here or elsewhere and from any thread, that there is something new."""
        loop, tell = self._loop, self._on_commit
        if loop is not None and tell is not None and not loop.is_closed():
            loop.call_soon_threadsafe(tell)

    def wake_later(self) -> None:
        """The same for a commit that is about to happen."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            for delay in _SOON:
                loop.call_soon_threadsafe(loop.call_later, delay, self.wake)

    async def drain(self, timeout: float) -> None:
        """Wait until nothing is due and nothing runs; raises TimeoutError after `timeout` seconds."""
        async with asyncio.timeout(timeout):
            while True:
                self.wake()
                async with self._database.begin() as connection:
                    busy = await connection.run_sync(self._store.operations.due_or_sending)
                if not busy and (self._worker is None or self._worker.idle):
                    return
                await asyncio.sleep(0.01)

    async def prepare(self, *, migrate: bool) -> None:
        """Bring the tables up to date, or make sure that they are."""

        def run(connection: Connection) -> None:
            if migrate:
                _migrations.upgrade(connection)
            else:
                _migrations.check(connection)
            self._store.keys.check(connection)

        async with self._database.begin() as connection:
            await connection.run_sync(run)


def worker_name() -> str:
    """Who this worker is in the attempts table: host, process, and a word against chance."""
    return f"{socket.gethostname()[:40]}:{os.getpid()}:{secrets.token_hex(3)}"


def _delivery(claimed: Claimed) -> Delivery:
    return Delivery(
        id=claimed.message_id,
        channel=claimed.channel,
        owner=claimed.owner,
        destination=claimed.url,
        body=claimed.body,
        attempt=claimed.number,
        key=claimed.idempotency_key,
    )


def _report_crash(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        logger.critical("the worker stopped working", exc_info=task.exception())
