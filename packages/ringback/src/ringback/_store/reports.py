"""Statements that only read: for the API, the CLI and the console."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, func, select

from ringback._store.tables import attempts, deliveries, endpoints, targets


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """One delivery as people ask for it. Times are seconds since 1970 (UTC).

    `next_attempt_at` is None when none is planned. `verdict` says in words how the last attempt ended,
    `breach` what in the answer (or payload) breaks the published document.
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
    statement = _reports().order_by(deliveries.c.id.desc()).limit(limit)
    if owner is not None:
        statement = statement.where(deliveries.c.owner == owner)
    if key is not None:
        statement = statement.where(targets.c.key == key)
    if state is not None:
        statement = statement.where(deliveries.c.state == state)
    if channel is not None:
        statement = statement.where(deliveries.c.channel == channel)
    return [_report(row._mapping) for row in connection.execute(statement)]


def find_delivery(connection: Connection, message_id: str) -> tuple[DeliveryReport, bytes] | None:
    """One delivery and its frozen body, by the id that receivers see."""
    statement = _reports().add_columns(deliveries.c.body).where(deliveries.c.message_id == message_id)
    row = connection.execute(statement).one_or_none()
    return None if row is None else (_report(row._mapping), bytes(row.body))


def list_attempts(connection: Connection, message_id: str) -> list[AttemptReport]:
    """All attempts of a delivery, the first one first."""
    a = attempts.c
    names = AttemptReport.__dataclass_fields__
    statement = (
        select(*(a[name] for name in names))
        .join(deliveries, deliveries.c.id == a.delivery_id)
        .where(deliveries.c.message_id == message_id)
        .order_by(a.number)
    )
    return [AttemptReport(*row) for row in connection.execute(statement)]


def count_states(connection: Connection) -> dict[str, int]:
    """How many deliveries stand in each state."""
    statement = select(deliveries.c.state, func.count()).group_by(deliveries.c.state)
    return {row[0]: row[1] for row in connection.execute(statement)}


def list_endpoints(connection: Connection) -> list[Mapping[str, Any]]:
    """Endpoints that have failed or are disabled; one that never failed has no row."""
    return [dict(row._mapping) for row in connection.execute(select(endpoints).order_by(endpoints.c.url))]


def _reports() -> Select[Any]:
    d = deliveries.c
    return select(
        d.message_id, d.owner, targets.c.key, d.idempotency_key, d.channel, d.callback, d.destination, d.url,
        d.state, d.attempts, d.status_code, d.verdict, d.breach, d.created_at, d.due_at, d.finished_at,
    ).join_from(deliveries, targets, d.target_id == targets.c.id, isouter=True)  # fmt: skip


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
    )
