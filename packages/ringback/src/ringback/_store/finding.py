"""Statements that only read: deliveries that match a filter, by the leaf and by the number.

No index serves every filter, so they look through a span of rows after the other, and stop when their time is
over: what they have not come to is for the next call, and they say from where.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Select, func, select

from ringback._store.browsing import REPORT, WITH_TARGETS
from ringback._store.filters import Filter, look_up
from ringback._store.reports import DeliveryReport
from ringback._store.tables import deliveries, messages

__all__ = ["Count", "Found", "Leaf", "Patience", "browse", "count", "find"]

_SPANS: Final = (4_000, 16_000, 64_000)
_SECONDS: Final = 0.8

_d, _m = deliveries.c, messages.c


class Patience:
    """How long something may be looked for: `seconds` by a clock that only goes forwards."""

    def __init__(self, seconds: float = _SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ends_at = clock() + seconds

    @property
    def is_over(self) -> bool:
        """Whether it is time to say what was found so far."""
        return self._clock() >= self._ends_at


@dataclass(frozen=True, slots=True)
class Leaf:
    """Some deliveries, the newest first, and the row ids from which the neighbouring leaves go on.

    `newer` and `older` are None where nothing more is there. `is_cut` where the time was over before enough
    were found: then `older` (or `newer`) is how far was looked.
    """

    deliveries: list[DeliveryReport]
    newer: int | None
    older: int | None
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Count:
    """How many match, and whether there may be more: counting ended at a limit of number or time."""

    number: int
    is_more: bool


@dataclass(frozen=True, slots=True)
class Found:
    """Row ids that match, the oldest first. All up to `looked_to` were looked at; None where that is all."""

    ids: list[int]
    looked_to: int | None


def browse(
    connection: Connection,
    wanted: Filter,
    *,
    before: int | None,
    after: int | None,
    limit: int,
    patience: Patience | None = None,
) -> Leaf:
    """The newest deliveries that match; or those just `before` a row id, or just `after` one."""
    matching, patience = look_up(connection, wanted), patience or Patience()
    first, last = _ends(connection)
    statement = matching.apply(select(_d.id, *REPORT).select_from(WITH_TARGETS))
    rows: list[Any] = []
    if after is not None:
        looked = after
        for since, until in _upwards(after + 1, last):
            rows += _between(connection, statement.order_by(_d.id), since, until, limit + 1 - len(rows))
            looked = until
            if len(rows) > limit or patience.is_over:
                break
        is_cut, shown = looked < last and len(rows) <= limit, list(reversed(rows[:limit]))
        newer = shown[0].id if len(rows) > limit else looked if is_cut else None
        return Leaf(_reports(shown), newer, shown[-1].id if shown else after + 1, is_cut)
    top = last if before is None else min(before - 1, last)
    looked = top + 1
    for since, until in _downwards(top, first):
        rows += _between(connection, statement.order_by(_d.id.desc()), since, until, limit + 1 - len(rows))
        looked = since
        if len(rows) > limit or patience.is_over:
            break
    is_cut, shown = looked > first and len(rows) <= limit, rows[:limit]
    older = shown[-1].id if len(rows) > limit else looked if is_cut else None
    return Leaf(_reports(shown), shown[0].id if shown and before is not None else None, older, is_cut)


def count(connection: Connection, wanted: Filter, *, up_to: int, patience: Patience | None = None) -> Count:
    """How many match, counted no further than to `up_to`, the newest first."""
    matching, patience, number = look_up(connection, wanted), patience or Patience(), 0
    first, last = _ends(connection)
    statement = matching.apply(select(_d.id).select_from(WITH_TARGETS))
    for since, until in _downwards(last, first):
        rows = _within(statement, since, until).limit(up_to - number).subquery()
        number += int(connection.execute(select(func.count()).select_from(rows)).scalar_one())
        if number >= up_to or patience.is_over:
            return Count(number, number >= up_to or since > first)
    return Count(number, is_more=False)


def find(
    connection: Connection,
    wanted: Filter,
    *,
    after: int,
    up_to: int | None = None,
    limit: int,
    patience: Patience | None = None,
) -> Found:
    """Row ids of those that match, the oldest first, behind row id `after` and not behind `up_to`."""
    matching, patience = look_up(connection, wanted), patience or Patience()
    first, last = _ends(connection)
    last = last if up_to is None else min(last, up_to)
    statement = matching.apply(select(_d.id).select_from(WITH_TARGETS)).order_by(_d.id)
    ids: list[int] = []
    for since, until in _upwards(max(after + 1, first), last):
        ids += [row.id for row in _between(connection, statement, since, until, limit - len(ids))]
        if len(ids) >= limit:
            return Found(ids, ids[-1] if ids[-1] < last else None)
        if patience.is_over:
            return Found(ids, until if until < last else None)
    return Found(ids, None)


def newest_id(connection: Connection) -> int:
    """The row id of the newest delivery, 0 where there is none."""
    return _ends(connection)[1]


def _ends(connection: Connection) -> tuple[int, int]:
    first, last = select(func.min(_d.id)).scalar_subquery(), select(func.max(_d.id)).scalar_subquery()
    row = connection.execute(select(first, last)).one()
    return row[0] or 1, row[1] or 0


def _upwards(first: int, last: int) -> Iterator[tuple[int, int]]:
    spans = iter(_SPANS)
    span, since = _SPANS[-1], first
    while since <= last:
        span = next(spans, span)
        until = min(since + span - 1, last)
        yield since, until
        since = until + 1


def _downwards(last: int, first: int) -> Iterator[tuple[int, int]]:
    spans = iter(_SPANS)
    span, until = _SPANS[-1], last
    while until >= first:
        span = next(spans, span)
        since = max(until - span + 1, first)
        yield since, until
        until = since - 1


def _between(connection: Connection, statement: Select[Any], since: int, until: int, limit: int) -> list[Any]:
    return list(connection.execute(_within(statement, since, until).limit(limit)).all())


def _within(statement: Select[Any], since: int, until: int) -> Select[Any]:
    """Rows of a span. Both tables are told, for no database concludes it from the equality of the ids."""
    return statement.where(*(bound for id_ in (_d.id, _m.id) for bound in (id_ >= since, id_ <= until)))


def _reports(rows: list[Any]) -> list[DeliveryReport]:
    return [DeliveryReport(*row[1:]) for row in rows]
