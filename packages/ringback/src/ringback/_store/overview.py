"""Statements that only read, for the overview: what ended of late, what is due, and what is in trouble.

Each looks at a bounded number of rows, so that it takes as long with a million deliveries as with a thousand.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Float, and_, bindparam, func, literal, select

from ringback._store.tables import attempts, deliveries, endpoints, in_state, messages, with_messages
from ringback._types import State

__all__ = ["COUNTED_UP_TO", "Backlog", "Ended", "Pulse", "Sample", "Trouble"]

COUNTED_UP_TO: Final = 100_000
"""Deliveries that ended in one span of time are counted no further."""
LOOKED_AT: Final = 200
"""So many of them tell how they ended, and how long the receivers took."""
PLACES: Final = 300
"""Destinations of which the backlog is counted."""
QUEUED_UP_TO: Final = 1000
"""What waits for one destination is counted no further."""

_d, _a, _e = deliveries.c, attempts.c, endpoints.c


class Sample(NamedTuple):
    """How one delivery ended. `duration` is its last attempt's in seconds, None where none was made."""

    state: str
    attempts: int
    destination: str
    duration: float | None


@dataclass(frozen=True, slots=True)
class Ended:
    """What ended in a span of time: how many (`COUNTED_UP_TO` means that many or more), and the newest."""

    count: int
    sample: Sequence[Sample]


class Backlog(NamedTuple):
    """What waits for one destination: `due` now (counted up to `QUEUED_UP_TO`), since when, and `later`."""

    destination: str
    due: int
    later: int
    oldest_due_at: float | None


class Trouble(NamedTuple):
    """How many endpoints are disabled, and how many fail."""

    disabled: int
    failing: int


class Pulse(NamedTuple):
    """What differs as soon as something has happened to any delivery."""

    newest_id: int | None
    last_end_at: float | None
    last_lease: float | None
    pending: int
    waiting: int
    sending: int


def ended_between(connection: Connection, since: float, until: float) -> Ended:
    """What ended from `since` to just before `until` (seconds since 1970)."""
    span = {"p_since": since, "p_until": until}
    count = int(connection.execute(_COUNT_ENDED, span).scalar_one())
    sample = connection.execute(_SAMPLE, span).all() if count else ()
    return Ended(count, [Sample(*row) for row in sample])


def backlog(connection: Connection, now: float) -> list[Backlog]:
    """What waits for each destination, for `PLACES` of them at most."""
    rows = connection.execute(_BACKLOG, {"p_now": now, "p_before": 0.0})
    return [Backlog(*row) for row in rows if row.destination is not None]


def trouble(connection: Connection) -> Trouble:
    """How many endpoints nobody calls any more, and how many do not answer as they should."""
    disabled = select(func.count()).where(_e.disabled_at.is_not(None))
    failing = select(func.count()).where(_e.disabled_at.is_(None), _e.failures > 0)
    return Trouble(
        int(connection.execute(disabled).scalar_one()), int(connection.execute(failing).scalar_one())
    )


def pulse(connection: Connection) -> Pulse:
    """Whether something has happened since the last one; every part is the end of an index."""
    return Pulse(*connection.execute(_PULSE).one())


def standing_of(connection: Connection, message_ids: Sequence[str]) -> dict[str, str]:
    """What changes with everything that happens to these deliveries."""
    columns = (messages.c.message_id, _d.state, _d.attempts, _d.due_at)
    these = messages.c.message_id.in_(message_ids)
    rows = connection.execute(select(*columns).select_from(with_messages).where(these))
    return {row.message_id: f"{row.state} {row.attempts} {row.due_at}" for row in rows}


def _between() -> Any:
    since, until = (bindparam(name, type_=Float()) for name in ("p_since", "p_until"))
    return and_(_d.finished_at >= since, _d.finished_at < until)


def _count(rows: Any) -> Any:
    return select(func.count()).select_from(rows.subquery())


def _backlog_statement() -> Any:
    """A loose index scan, as workers walk, with two counts of index entries for each destination."""
    pending, now = in_state(_d.state, State.PENDING), bindparam("p_now", type_=Float())
    first = select(func.min(_d.destination)).where(pending)
    walk = select(first.scalar_subquery().label("destination"), literal(1).label("place"))
    places = walk.cte("places", recursive=True)
    following = select(func.min(_d.destination)).where(pending, _d.destination > places.c.destination)
    places = places.union_all(
        select(following.correlate(places).scalar_subquery(), places.c.place + 1).where(
            places.c.destination.is_not(None), places.c.place < PLACES
        )
    )
    here = (pending, _d.destination == places.c.destination)

    def counted(condition: Any) -> Any:
        rows = select(literal(1).label("one")).where(*here, condition).limit(QUEUED_UP_TO)
        return select(func.count()).select_from(rows.correlate(places).subquery()).correlate(places)

    oldest = select(func.min(_d.due_at)).where(*here, _d.due_at <= now).correlate(places)
    return select(
        places.c.destination,
        counted(_d.due_at <= now).scalar_subquery().label("due"),
        counted(_d.due_at > now).scalar_subquery().label("later"),
        oldest.scalar_subquery().label("oldest_due_at"),
    )


def _pulse_statement() -> Any:
    def few(state: State) -> Any:
        rows = select(literal(1).label("one")).where(in_state(_d.state, state)).limit(QUEUED_UP_TO)
        return _count(rows).scalar_subquery()

    return select(
        select(func.max(_d.id)).scalar_subquery(),
        select(func.max(_d.finished_at)).where(_d.finished_at.is_not(None)).scalar_subquery(),
        select(func.max(_d.lease_until)).where(in_state(_d.state, State.SENDING)).scalar_subquery(),
        few(State.PENDING),
        few(State.WAITING),
        few(State.SENDING),
    )


_COUNT_ENDED = _count(select(literal(1).label("one")).where(_between()).limit(COUNTED_UP_TO))
_newest = (
    select(_d.id, _d.state, _d.attempts, _d.destination)
    .where(_between())
    .order_by(_d.finished_at.desc())
    .limit(LOOKED_AT)
    .subquery()
)
_SAMPLE = select(_newest.c.state, _newest.c.attempts, _newest.c.destination, _a.duration).select_from(
    _newest.outerjoin(attempts, and_(_a.delivery_id == _newest.c.id, _a.number == _newest.c.attempts))
)
_BACKLOG = _backlog_statement()
_PULSE = _pulse_statement()
