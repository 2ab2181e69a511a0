"""Statements that write down what became of attempts; a worker that comes too late is refused."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Float,
    and_,
    bindparam,
    case,
    exists,
    func,
    null,
    select,
    update,
)

from ringback._store.dialect import TYPES, Dialect, storable
from ringback._store.tables import attempts, deliveries, endpoints, in_state
from ringback._types import State


class Result(NamedTuple):
    """What became of one attempt: the one value that is recorded.

    `state` is the delivery's next one: delivered, dead, or pending with `delay` seconds to the next
    attempt. `duration` is in seconds. `counts` is what it changes of the endpoint's health: 1 it is well
    again, -1 a failure, 0 nothing. `disable` switches the endpoint off.
    """

    id: int
    number: int
    owner: str
    endpoint: str
    state: State
    delay: float
    duration: float
    verdict: str
    status_code: int | None = None
    breach: str | None = None
    response: str | None = None
    counts: int = 0
    disable: bool = False


class End(NamedTuple):
    """All of a result but whose it is and how long it took: most attempts of a batch end alike."""

    number: int
    state: State
    delay: float
    verdict: str
    status_code: int | None
    breach: str | None
    response: str | None

    @classmethod
    def of(cls, result: Result) -> "End":
        """How an attempt ended."""
        return cls(
            result.number,
            result.state,
            result.delay,
            result.verdict,
            result.status_code,
            result.breach,
            result.response,
        )


# Fewer than so many that ended alike are not worth statements of their own.
_ALIKE: Final = 8

_COLUMNS = {
    "id": int,
    "duration": float,
    "number": int,
    "state": str,
    "delay": float,
    "verdict": str,
    "status_code": int,
    "breach": str,
    "response": str,
}


# The same columns, where one value holds for the whole batch.
_END = {name: bindparam(f"end_{name}", type_=TYPES[kind]) for name, kind in list(_COLUMNS.items())[2:]}


def _named(end: End) -> dict[str, Any]:
    return {f"end_{name}": storable(value) for name, value in zip(_END, end, strict=True)}


class ResultStore:
    """What a worker runs when attempts have ended."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._pairs = dialect.batch("batch", dict(list(_COLUMNS.items())[:2]))
        self._rows = dialect.batch("batch", _COLUMNS)
        self._names = dialect.batch("batch", {"owner": str, "url": str})
        mine = dialect.among(deliveries.c.id, "ids")
        self._alike = self._record_statements(mine, dict(self._pairs.c) | _END)
        self._apart = self._record_statements(deliveries.c.id == self._rows.c.id, self._rows.c)
        self._promote = self._promote_statement()
        self._strays = self._stray_statement()
        self._succeed, self._fail, self._disable = self._endpoint_statements()
        self._refuse = (
            update(deliveries)
            .where(dialect.among(deliveries.c.id, "ids"))
            .values(
                state=State.DEAD.value,
                finished_at=dialect.now(),
                verdict="the endpoint is disabled; enable it, then replay",
            )
        )

    def record(self, connection: Connection, results: Sequence[Result]) -> set[int]:
        """Write down a batch; returns the ids that were accepted. The rest belong to somebody else now."""
        groups: dict[End, list[Result]] = {}
        for result in results:
            groups.setdefault(End.of(result), []).append(result)
        accepted: set[int] = set()
        apart: list[tuple[Any, ...]] = []
        for end, group in groups.items():
            pairs = [(result.id, result.duration) for result in group]
            if len(group) < _ALIKE:
                apart += [(*pair, *end) for pair in pairs]
            else:
                ids = [result.id for result in group]
                batch = {"ids": self._dialect.ids(ids), **_named(end), **self._pairs.parameters(pairs)}
                accepted.update(self._record(connection, self._alike, batch, ids))
        if apart:
            rows = self._rows.parameters(apart)
            accepted.update(self._record(connection, self._apart, rows, [row[0] for row in apart]))
        mine = [result for result in results if result.id in accepted]
        ended = [result.id for result in mine if result.state is not State.PENDING]
        if ended:
            self.promote(connection, ended)
        self._count(connection, mine)
        return accepted

    @staticmethod
    def _record(
        connection: Connection, statements: tuple[Any, Any], batch: dict[str, Any], ids: Sequence[int]
    ) -> Sequence[int]:
        finish, close = statements
        if connection.execute(finish, batch).rowcount == len(ids):
            connection.execute(close, batch)
            return ids
        # Some belong to somebody else now, who has closed or deleted the attempts of these.
        return connection.execute(close.returning(attempts.c.delivery_id), batch).scalars().all()

    def promote(self, connection: Connection, ended: Sequence[int]) -> None:
        """Let the next waiting delivery of each target go, now that these have ended."""
        connection.execute(self._promote, {"ids": self._dialect.ids(ended)})

    def promote_strays(self, connection: Connection) -> None:
        """Let go what waits behind nothing: its predecessor was cancelled, or ended in a race."""
        connection.execute(self._strays)

    def refuse(self, connection: Connection, ids: Sequence[int]) -> None:
        """End deliveries whose endpoint is disabled, without an attempt."""
        connection.execute(self._refuse, {"ids": self._dialect.ids(ids)})
        self.promote(connection, ids)

    def _count(self, connection: Connection, results: Sequence[Result]) -> None:
        good = {(r.owner, r.endpoint) for r in results if r.counts > 0}
        bad = {(r.owner, r.endpoint) for r in results if r.counts < 0}
        off = {(r.owner, r.endpoint): r.verdict for r in results if r.disable}
        if good:
            connection.execute(self._succeed, self._names.parameters(sorted(good)))
        for key in sorted(bad):
            connection.execute(self._fail, {"owner": key[0], "url": key[1]})
        for key, reason in sorted(off.items()):
            connection.execute(self._disable, {"p_owner": key[0], "p_url": key[1], "reason": reason})

    def _record_statements(self, mine: ColumnElement[bool], r: Any) -> tuple[Any, Any]:
        """Two statements that write down ends of attempts; `r` tells each column of `_COLUMNS`."""
        d, now = deliveries.c, self._dialect.now()
        again = r["state"] == State.PENDING.value
        finish = (
            update(deliveries)
            .where(mine, d.attempts == r["number"], in_state(d.state, State.SENDING))
            .values(
                state=r["state"],
                due_at=case((again, now + r["delay"]), else_=d.due_at),
                lease_until=null(),
                step=d.step + 1,
                lapses=0,
                trigger="schedule",
                status_code=r["status_code"],
                verdict=r["verdict"],
                breach=r["breach"],
                finished_at=case((again, null()), else_=now),
            )
        )
        a = attempts.c
        close = (
            update(attempts)
            .where(a.delivery_id == r["id"], a.number == r["number"], a.outcome.is_(None))
            .values(
                duration=r["duration"],
                outcome=case((again, "retry"), else_=r["state"]),
                status_code=r["status_code"],
                verdict=r["verdict"],
                breach=r["breach"],
                response=r["response"],
            )
        )
        return finish, close

    def _promote_statement(self) -> Any:
        d, ended, w = deliveries.c, deliveries.alias("ended"), deliveries.alias("w")
        following = (
            select(w.c.id)
            .where(w.c.target_id == ended.c.target_id, in_state(w.c.state, State.WAITING))
            .order_by(w.c.sequence)
            .limit(1)
            .correlate(ended)
        )
        # Asked once for the whole batch: nearly always nothing waits.
        any_waits = exists().where(in_state(deliveries.alias("any").c.state, State.WAITING))
        chosen = select(following.scalar_subquery()).where(
            any_waits, self._dialect.among(ended.c.id, "ids"), ended.c.target_id.is_not(None)
        )
        return (
            update(deliveries)
            .where(d.id.in_(chosen.scalar_subquery()), in_state(d.state, State.WAITING))
            .values(state=State.PENDING.value)
        )

    def _stray_statement(self) -> Any:
        d, w, p = deliveries.c, deliveries.alias("w"), deliveries.alias("p")
        first = (
            select(p.c.id)
            .where(
                p.c.target_id == w.c.target_id,
                p.c.sequence < w.c.sequence,
                p.c.finished_at.is_(None),
            )
            .correlate(w)
        )
        strays = (
            select(w.c.id)
            .where(in_state(w.c.state, State.WAITING), ~first.exists())
            .limit(500)
            .with_for_update(skip_locked=True)
        )
        return update(deliveries).where(d.id.in_(strays.scalar_subquery())).values(state=State.PENDING.value)

    def _endpoint_statements(self) -> tuple[Any, Any, Any]:
        e, now = endpoints.c, self._dialect.now()
        named = and_(e.owner == bindparam("p_owner"), e.url == bindparam("p_url"))
        # A healthy endpoint needs no row and costs no write; one that another worker changes can wait.
        failing = (
            select(e.id)
            .join(self._names.table, and_(e.owner == self._names.c.owner, e.url == self._names.c.url))
            .where(e.failures > 0)
            .order_by(e.id)
            .with_for_update(skip_locked=True, of=endpoints)
        )
        succeed = (
            update(endpoints)
            .where(e.id.in_(failing.scalar_subquery()))
            .values(failures=0, failing_since=null(), last_success_at=now)
        )
        fail = self._dialect.insert(endpoints).values(
            owner=bindparam("owner"), url=bindparam("url"), failing_since=now, failures=1
        )
        fail = fail.on_conflict_do_update(
            index_elements=[e.owner, e.url],
            set_={"failures": e.failures + 1, "failing_since": func.coalesce(e.failing_since, now)},
        )
        disable = (
            update(endpoints)
            .where(named)
            .values(
                disabled_at=func.coalesce(e.disabled_at, now, type_=Float()),
                disabled_reason=bindparam("reason"),
            )
        )
        return succeed, fail, disable
