"""What `ringback.to(session, key=...)` gives: two thin typed faces, sync and async, over one outbox."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, ParamSpec, TypeVar

from sqlalchemy import Connection

from ringback._database import AsyncCaller, Caller, CallersDatabase
from ringback._errors import RingbackError
from ringback._outbox import Options, Outbox
from ringback._types import Delivery

P = ParamSpec("P")
AnyCaller = TypeVar("AnyCaller", Caller, AsyncCaller)


@dataclass(frozen=True, slots=True)
class _Address(Generic[AnyCaller]):
    """The key that is sent to, the transaction it happens in, and how."""

    outbox: Outbox
    database: CallersDatabase
    caller: AnyCaller
    key: str
    owner: str
    operation: str | None
    clock: Callable[[], float]
    how: Options = field(default_factory=Options)

    def _with(
        self, idempotency_key: str | None, not_before: datetime | timedelta | None, ordered: bool
    ) -> Options:
        return Options(idempotency_key, seconds_until(not_before, self.clock), ordered)

    def _work(
        self, callback: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Callable[[Connection], Delivery | None]:
        def work(connection: Connection) -> Delivery | None:
            return self.outbox.send(
                connection,
                callback,
                (args, kwargs),
                key=self.key,
                owner=self.owner,
                operation=self.operation,
                options=self.how,
            )

        return work


class Sender(_Address[Caller]):
    """Sends callbacks in a sync session's transaction."""

    __slots__ = ()

    def options(
        self,
        *,
        idempotency_key: str | None = None,
        not_before: datetime | timedelta | None = None,
        ordered: bool = True,
    ) -> "Sender":
        """The same target with options for the next `send`; see `AsyncSender.options`."""
        return replace(self, how=self._with(idempotency_key, not_before, ordered))

    def send(self, callback: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs) -> Delivery | None:
        """Owe one callback to the target; see `AsyncSender.send`."""
        return self.database.run(self.caller, self._work(callback, args, kwargs))


class AsyncSender(_Address[AsyncCaller]):
    """Sends callbacks in an async session's transaction."""

    __slots__ = ()

    def options(
        self,
        *,
        idempotency_key: str | None = None,
        not_before: datetime | timedelta | None = None,
        ordered: bool = True,
    ) -> "AsyncSender":
        """The same target with options for the next `send`.

        With `idempotency_key` a repeated `send` stores nothing and gives the first delivery again.
        `not_before` (a time with a zone, or a span from now) holds the first attempt back. ``ordered=False``
        lets this delivery pass earlier ones of its target that are still being retried.
        """
        return replace(self, how=self._with(idempotency_key, not_before, ordered))

    async def send(
        self, callback: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs
    ) -> Delivery | None:
        """Owe one callback to the target, in the session's transaction, which stays yours to commit.

        `callback` is the declared function, and its own parameters follow. The payload is checked against
        the published document and its bytes are frozen now. Returns None when the target has no URL.

        Raises `UnknownTarget` when the key was never bound, `ContractBreach` when the payload does not
        match the document; nothing is stored then.
        """
        return await self.database.run_async(self.caller, self._work(callback, args, kwargs))


def seconds_until(when: datetime | timedelta | None, clock: Callable[[], float]) -> float:
    """How long to hold a first attempt back, never less than 0."""
    if when is None:
        return 0.0
    if isinstance(when, timedelta):
        return max(0.0, when.total_seconds())
    if when.tzinfo is None:
        raise RingbackError(
            f"not_before={when.isoformat()} has no time zone, so it names no moment. "
            "Give an aware datetime, such as datetime.now(UTC) + timedelta(days=1), or a timedelta."
        )
    return max(0.0, when.astimezone(UTC).timestamp() - clock())
