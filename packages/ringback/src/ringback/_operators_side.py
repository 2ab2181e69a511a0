"""What whoever operates the app does in transactions of their own: many deliveries at once, and endpoints."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from ringback._database import AsyncCaller, CallersDatabase
from ringback._errors import InvalidUrl, RingbackError
from ringback._store import browsing, finding, reports
from ringback._store.browsing import EndpointReport
from ringback._store.filters import Filter
from ringback._store.finding import Leaf
from ringback._store.operations import ENDED_STATES
from ringback._store.reports import DeliveryReport
from ringback._store.store import Store
from ringback._types import State
from ringback._urls import parse_url


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many a batch sends again, and `after` which row id the next one goes on (None: none is left)."""

    count: int
    after: int | None


class OperatorsSide:
    """The half of `Ringback` that steers many deliveries and endpoints. Nothing here commits."""

    _callers: CallersDatabase
    _store: Store
    _now: Callable[[], float]

    async def search(
        self, session: AsyncCaller, wanted: Filter, *, before: int | None = None, limit: int = 50
    ) -> Leaf:
        """Deliveries that match, the newest first, and ``older``: what to give as `before` for the next ones.

        It takes about a second at most. Where that was too short, the leaf is cut, and `older` is how far it
        has come.
        """
        return await self._callers.run_async(
            session,
            lambda connection: finding.browse(connection, wanted, before=before, after=None, limit=limit),
        )

    async def find(self, session: AsyncCaller, delivery_id: str) -> tuple[DeliveryReport, bytes] | None:
        """One delivery and the bytes of its body, as they were frozen when it was made."""
        return await self._callers.run_async(
            session, lambda connection: reports.find_delivery(connection, delivery_id)
        )

    async def replay_all(
        self,
        session: AsyncCaller,
        wanted: Filter,
        *,
        rate: float | None = None,
        after: int = 0,
        limit: int = 500,
    ) -> Replayed:
        """Send finished deliveries that match again, the oldest first, at most `limit` in one transaction.

        They keep their ids, and their schedules begin anew. Without ``states`` the dead ones are meant. With
        a `rate` so many of the batch become due a second. Commit, then call it again with ``after`` of the
        answer, until that is None: each delivery is met once, also one that has ended again meanwhile.

            after = 0
            while after is not None:
                async with ringback.transaction() as session:
                    batch = await ringback.replay_all(session, Filter(owner="acme"), rate=50, after=after)
                after = batch.after

        Raises `RingbackError` where a state cannot be replayed, or a figure is not above zero.
        """
        if limit < 1 or (rate is not None and not rate > 0):
            raise RingbackError(
                f"replay_all(limit={limit}, rate={rate}) would send nothing; give figures above 0."
            )
        wanted = _ended_only(wanted)
        if wanted.endpoint is not None:
            wanted = replace(wanted, endpoint=_named(wanted.endpoint))
        gap = 0.0 if rate is None else 1 / rate

        def work(connection: Connection) -> Replayed:
            found = finding.find(connection, wanted, after=after, limit=limit)
            rows = [(id_, place * gap) for place, id_ in enumerate(found.ids)]
            return Replayed(self._store.operations.replay_all(connection, rows), found.looked_to)

        return await self._callers.run_async(session, work)

    async def endpoints(self, session: AsyncCaller, *, owner: str | None = None) -> list[EndpointReport]:
        """The endpoints that the newest callbacks went to, and all that have failed or are disabled."""
        found = await self._callers.run_async(session, browsing.list_endpoints)
        return [one for one in found if owner in (None, one.owner)]

    async def disable_endpoint(
        self, session: AsyncCaller, url: str, *, owner: str = "", reason: str = "disabled by the app"
    ) -> None:
        """Call an endpoint (a base URL) no more; what is owed to it ends as dead.

        `reason` is shown to operators.
        """
        await self._callers.run_async(
            session, lambda connection: self._store.operations.disable(connection, owner, _named(url), reason)
        )

    async def enable_endpoint(self, session: AsyncCaller, url: str, *, owner: str = "") -> bool:
        """Call an endpoint again; what died meanwhile is for replay. False where it was not in trouble."""
        return await self._callers.run_async(
            session, lambda connection: self._store.operations.enable(connection, owner, _named(url))
        )


def _named(url: str) -> str:
    """The URL as it is kept; what is none names an address of the app's own channel."""
    try:
        return str(parse_url(url))
    except InvalidUrl:
        return url


def _ended_only(wanted: Filter) -> Filter:
    if open_states := [state.value for state in wanted.states if state not in ENDED_STATES]:
        raise RingbackError(
            f"A delivery that is {' or '.join(open_states)} has not ended, so it cannot be sent again. "
            f"Give states among: {', '.join(ENDED_STATES)}."
        )
    return wanted if wanted.states else replace(wanted, states=(State.DEAD,))
