"""Statements that only read, for pages: one delivery whole, and endpoints."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Connection, Select, case, func, null, select

from ringback._channels import HTTP
from ringback._store import reports
from ringback._store.reports import AttemptReport, DeliveryReport
from ringback._store.tables import (
    OPEN_STATES,
    deliveries,
    endpoints,
    in_state,
    messages,
    targets,
    with_messages,
)
from ringback._types import State

LOOK_BACK: Final = 2000
"""How many of the newest deliveries tell how endpoints do."""
SHOWN_ENDS: Final = 30

_d, _m = deliveries.c, messages.c
REPORT = (
    _m.message_id, _m.owner, func.coalesce(targets.c.key, _m.idempotency_key), _m.channel, _m.callback,
    _d.destination, _m.url, _d.state, _d.attempts, _d.status_code, _d.verdict, _d.breach, _d.created_at,
    case((in_state(_d.state, State.PENDING), _d.due_at), else_=null()), _d.finished_at, _m.note,
)  # fmt: skip
WITH_TARGETS = with_messages.join(targets, _m.target_id == targets.c.id, isouter=True)


@dataclass(frozen=True, slots=True)
class Dossier:
    """One delivery whole. `behind` is the id of the open one that goes first, if there is one."""

    report: DeliveryReport
    operation: str | None
    endpoint: str
    method: str
    headers: list[list[str]]
    body: bytes
    behind: str | None
    endpoint_disabled: bool
    attempts: list[AttemptReport]


@dataclass(frozen=True, slots=True)
class EndpointReport:
    """One endpoint. Times are seconds since 1970 (UTC), None for never.

    `reference` names it without its URL: the number of its row, or the id of a delivery that went there.
    `ends` are the states of its newest deliveries, the oldest of them first.
    """

    reference: str
    owner: str
    url: str
    ends: Sequence[str] = ()
    delivered: int = 0
    dead: int = 0
    failures: int = 0
    failing_since: float | None = None
    last_success_at: float | None = None
    disabled_at: float | None = None
    disabled_reason: str | None = None


def count_up_to(connection: Connection, states: Sequence[State], limit: int) -> dict[str, int]:
    """How many deliveries stand in each of these states, counted no further than to `limit`."""
    return {
        state: _count(connection, select(_d.id).where(in_state(_d.state, state)), limit) for state in states
    }


def open_dossier(connection: Connection, message_id: str) -> Dossier | None:
    """One delivery with its request and its attempts, by the id that receivers see."""
    columns = (_m.operation, _m.endpoint, _m.method, _m.headers, _m.body, _d.target_id, _d.sequence)
    statement = select(*REPORT, *columns).select_from(WITH_TARGETS).where(_m.message_id == message_id)
    row = connection.execute(statement).one_or_none()
    if row is None:
        return None
    report = DeliveryReport(*row[: len(REPORT)])
    return Dossier(
        report=report,
        operation=row.operation,
        endpoint=row.endpoint,
        method=row.method,
        headers=row.headers,
        body=bytes(row.body),
        behind=_predecessor(connection, row.target_id, row.sequence)
        if report.state == State.WAITING
        else None,
        endpoint_disabled=_is_disabled(connection, report.owner, row.endpoint),
        attempts=reports.list_attempts(connection, message_id),
    )


def is_delivery(connection: Connection, message_id: str) -> bool:
    """Whether there is a delivery with this id."""
    return connection.execute(select(_m.id).where(_m.message_id == message_id)).first() is not None


def list_endpoints(connection: Connection) -> list[EndpointReport]:
    """The endpoints that the newest callbacks went to, and all that have failed or are disabled."""
    newest = select(_m.message_id, _m.owner, _m.endpoint, _d.state, _m.channel).select_from(with_messages)
    went: defaultdict[tuple[str, str], list[Any]] = defaultdict(list)
    for delivery in connection.execute(newest.order_by(_d.id.desc()).limit(LOOK_BACK)):
        if delivery.channel == HTTP:
            went[delivery.owner, delivery.endpoint].append(delivery)
    rows = {(row.owner, row.url): dict(row._mapping) for row in connection.execute(select(endpoints))}
    named = sorted({*went, *rows}, key=lambda one: (one[1], one[0]))
    return [_endpoint(owner, url, went[owner, url], rows.get((owner, url))) for owner, url in named]


def find_endpoint(connection: Connection, reference: str) -> EndpointReport | None:
    """One endpoint by its reference; how its deliveries ended is left out."""
    e = endpoints.c
    if reference.isdecimal():
        named = select(e.owner, e.url, null().label("message_id")).where(e.id == int(reference))
    else:
        named = select(_m.owner, _m.endpoint, _m.message_id).where(_m.message_id == reference)
    found = connection.execute(named).one_or_none()
    if found is None:
        return None
    owner, url, _ = found
    row = connection.execute(select(endpoints).where(e.owner == owner, e.url == url)).one_or_none()
    report = _endpoint(owner, url, [], None if row is None else dict(row._mapping))
    return report if report.reference else replace(report, reference=reference)


def count_open(connection: Connection, owner: str, endpoint: str, *, limit: int) -> int:
    """How many deliveries are still owed to an endpoint, counted no further than to `limit`."""
    owed = select(_d.id).select_from(with_messages).where(_m.owner == owner, _m.endpoint == endpoint)
    return _count(connection, owed.where(in_state(_d.state, *OPEN_STATES)), limit)


def _count(connection: Connection, rows: Select[Any], limit: int) -> int:
    counted = select(func.count()).select_from(rows.limit(limit).subquery())
    return int(connection.execute(counted).scalar_one())


def _predecessor(connection: Connection, target_id: int | None, sequence: int | None) -> str | None:
    statement = (
        select(_m.message_id)
        .select_from(with_messages)
        .where(_d.target_id == target_id, _d.sequence < sequence, _d.finished_at.is_(None))
        .order_by(_d.sequence.desc())
        .limit(1)
    )
    return connection.execute(statement).scalar_one_or_none()


def _is_disabled(connection: Connection, owner: str, url: str) -> bool:
    e = endpoints.c
    statement = select(e.id).where(e.owner == owner, e.url == url, e.disabled_at.is_not(None))
    return connection.execute(statement).one_or_none() is not None


def _endpoint(
    owner: str, url: str, newest_first: Sequence[Any], row: Mapping[str, Any] | None
) -> EndpointReport:
    states = [delivery.state for delivery in newest_first]
    reference = newest_first[0].message_id if newest_first else ""
    report = EndpointReport(
        reference=reference,
        owner=owner,
        url=url,
        ends=tuple(reversed(states[:SHOWN_ENDS])),
        delivered=states.count(State.DELIVERED),
        dead=states.count(State.DEAD),
    )
    if row is None:
        return report
    health = ("failures", "failing_since", "last_success_at", "disabled_at", "disabled_reason")
    return replace(report, reference=str(row["id"]), **{name: row[name] for name in health})
