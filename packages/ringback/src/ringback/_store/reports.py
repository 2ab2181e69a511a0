"""Statements that only read: for the API, the CLI and the console."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, FromClause, Select, func, or_, select

from ringback._channels import HTTP
from ringback._store.filters import Filter, look_up
from ringback._store.tables import (
    OPEN_STATES,
    attempts,
    deliveries,
    endpoints,
    in_state,
    keys,
    messages,
    targets,
    with_messages,
)
from ringback._types import State


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """One delivery as people ask for it. Times are seconds since 1970 (UTC).

    `next_attempt_at` is None when none is planned. `verdict` says in words how the last attempt ended,
    `breach` what in the answer (or payload) breaks the published document. `note` says what was remarkable
    when it was made: that the contract had changed since the target was bound, and how.
    """

    id: str
    owner: str
    key: str | None
    channel: str
    callback: str | None
    destination: str
    url: str
    state: str
    attempts: int
    status_code: int | None
    verdict: str | None
    breach: str | None
    created_at: float
    next_attempt_at: float | None
    finished_at: float | None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class AttemptReport:
    """One attempt, as operators see it. `outcome` is None while it runs; `duration` is in seconds."""

    number: int
    trigger: str
    worker: str
    started_at: float
    duration: float | None
    outcome: str | None
    status_code: int | None
    verdict: str | None
    breach: str | None
    response: str | None


@dataclass(frozen=True, slots=True)
class KeyReport:
    """One signing key, without its secret. Times are seconds since 1970 (UTC).

    `kind` is ``v1`` or ``v1a``, `public_key` the ``whpk_…`` of a ``v1a`` key. `fingerprint` is what people
    compare, and the ``kid`` of a public key. `retires_at` is None for the owner's current one.
    """

    owner: str
    kind: str
    fingerprint: str
    public_key: str | None
    created_at: float
    retires_at: float | None


@dataclass(frozen=True, slots=True)
class Queue:
    """What waits and what moves. Times are seconds since 1970 (UTC); None where there is nothing.

    `now` is the database's clock. `lapsed` counts deliveries whose worker was lost and that nobody has
    taken over yet; `last_end_at` is when a delivery last ended, whoever ended it.
    """

    now: float
    states: Mapping[str, int]
    oldest_due_at: float | None
    lapsed: int
    last_end_at: float | None


def list_deliveries(
    connection: Connection,
    *,
    owner: str | None = None,
    key: str | None = None,
    state: str | None = None,
    channel: str | None = None,
    limit: int = 100,
) -> list[DeliveryReport]:
    """The newest deliveries first, filtered by what is given."""
    states = () if state is None else (State(state),)
    return search(connection, Filter(states, owner, key, channel), limit=limit)


def search(connection: Connection, wanted: Filter, *, limit: int) -> list[DeliveryReport]:
    """The newest deliveries first, those that match."""
    statement = look_up(connection, wanted).apply(_reports()).order_by(deliveries.c.id.desc()).limit(limit)
    return [_report(row._mapping) for row in connection.execute(statement)]


def count_deliveries(connection: Connection, wanted: Filter) -> int:
    """How many deliveries match."""
    statement = select(func.count()).select_from(_with_targets())
    return int(connection.execute(look_up(connection, wanted).apply(statement)).scalar_one())


def list_ids(connection: Connection, wanted: Filter, *, after: int, limit: int) -> list[tuple[int, str]]:
    """Row id and message id of deliveries that match, the oldest first, from row id `after` on."""
    d = deliveries.c
    statement = select(d.id, messages.c.message_id).select_from(_with_targets()).where(d.id > after)
    statement = look_up(connection, wanted).apply(statement).order_by(d.id).limit(limit)
    return [(row[0], row[1]) for row in connection.execute(statement)]


def find_delivery(connection: Connection, message_id: str) -> tuple[DeliveryReport, bytes] | None:
    """One delivery and its frozen body, by the id that receivers see."""
    statement = _reports().add_columns(messages.c.body).where(messages.c.message_id == message_id)
    row = connection.execute(statement).one_or_none()
    return None if row is None else (_report(row._mapping), bytes(row.body))


def list_attempts(connection: Connection, message_id: str) -> list[AttemptReport]:
    """All attempts of a delivery, the first one first."""
    a = attempts.c
    names = AttemptReport.__dataclass_fields__
    statement = (
        select(*(a[name] for name in names))
        .join(messages, messages.c.id == a.delivery_id)
        .where(messages.c.message_id == message_id)
        .order_by(a.number)
    )
    return [AttemptReport(*row) for row in connection.execute(statement)]


def count_states(connection: Connection) -> dict[str, int]:
    """How many deliveries stand in each state."""
    statement = select(deliveries.c.state, func.count()).group_by(deliveries.c.state)
    return {row[0]: row[1] for row in connection.execute(statement)}


def list_open_urls(connection: Connection, *, limit: int) -> list[tuple[str, str]]:
    """Where callbacks go that have not ended: owners and URLs, each pair once."""
    m = messages.c
    is_open = in_state(deliveries.c.state, *OPEN_STATES)
    statement = select(m.owner, m.url).select_from(with_messages).where(m.channel == HTTP, is_open).distinct()
    return [(owner, url) for owner, url in connection.execute(statement.limit(limit))]


def list_endpoints(connection: Connection) -> list[Mapping[str, Any]]:
    """Endpoints that have failed or are disabled; one that never failed has no row."""
    return [dict(row._mapping) for row in connection.execute(select(endpoints).order_by(endpoints.c.url))]


def list_keys(connection: Connection, *, owner: str | None = None) -> list[KeyReport]:
    """The signing keys by owner and kind, the newest first."""
    k = keys.c
    statement = _keys().order_by(k.owner, k.kind, k.id.desc())
    if owner is not None:
        statement = statement.where(k.owner == owner)
    return [KeyReport(*row) for row in connection.execute(statement)]


def list_public_keys(connection: Connection, now: float, *, kid: str | None = None) -> list[KeyReport]:
    """The public keys that sign at `now`; with `kid` those of the owner whose key has, or had, that id."""
    k = keys.c
    statement = _keys().where(k.public_key.is_not(None), or_(k.retires_at.is_(None), k.retires_at > now))
    if kid is not None:
        if "\0" in kid:  # no fingerprint has one, and PostgreSQL would fail instead of finding nothing
            return []
        named = keys.alias()
        owner = select(named.c.owner).where(named.c.fingerprint == kid, named.c.public_key.is_not(None))
        statement = statement.where(k.owner.in_(owner))
    return [KeyReport(*row) for row in connection.execute(statement.order_by(k.id))]


def look_at_queue(connection: Connection, now: float) -> Queue:
    """How much waits, for how long, and whether anything moves."""
    d = deliveries.c
    due = select(func.min(d.due_at)).where(in_state(d.state, State.PENDING))
    lapsed = select(func.count()).where(in_state(d.state, State.SENDING), d.lease_until < now)
    ended = select(func.max(d.finished_at)).where(d.finished_at.is_not(None))
    return Queue(
        now=now,
        states=count_states(connection),
        oldest_due_at=connection.execute(due).scalar_one(),
        lapsed=int(connection.execute(lapsed).scalar_one()),
        last_end_at=connection.execute(ended).scalar_one(),
    )


def _keys() -> Select[Any]:
    k = keys.c
    return select(k.owner, k.kind, k.fingerprint, k.public_key, k.created_at, k.retires_at)


def _with_targets() -> FromClause:
    return with_messages.join(targets, messages.c.target_id == targets.c.id, isouter=True)


def _reports() -> Select[Any]:
    d, m = deliveries.c, messages.c
    return select(
        m.message_id, m.owner, targets.c.key, m.idempotency_key, m.channel, m.callback, d.destination, m.url,
        d.state, d.attempts, d.status_code, d.verdict, d.breach, d.created_at, d.due_at, d.finished_at,
        m.note,
    ).select_from(_with_targets())  # fmt: skip


def _report(row: Mapping[Any, Any]) -> DeliveryReport:
    return DeliveryReport(
        id=row["message_id"],
        owner=row["owner"],
        key=row["key"] if row["key"] is not None else row["idempotency_key"],
        channel=row["channel"],
        callback=row["callback"],
        destination=row["destination"],
        url=row["url"],
        state=row["state"],
        attempts=row["attempts"],
        status_code=row["status_code"],
        verdict=row["verdict"],
        breach=row["breach"],
        created_at=row["created_at"],
        next_attempt_at=row["due_at"] if row["state"] == "pending" else None,
        finished_at=row["finished_at"],
        note=row["note"],
    )
