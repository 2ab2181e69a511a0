"""Statements that write down what became of attempts; a worker that comes too late is refused."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Float, and_, bindparam, case, func, null, select, update

from ringback._store.dialect import Dialect
from ringback._store.tables import attempts, deliveries, endpoints, in_state
from ringback._types import State


class Result(NamedTuple):
    """What became of one attempt: the one value that is recorded.

    `state` is the delivery's next one: delivered, dead, or pending with `delay` seconds to the next
    attempt. `duration` is in seconds. `counts` is how the endpoint's health sees it: 1 success, -1
    failure, 0 neither. `disable` switches the endpoint off.
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


_COLUMNS = {
    "id": int,
    "number": int,
    "state": str,
    "delay": float,
    "duration": float,
    "verdict": str,
    "status_code": int,
    "breach": str,
    "response": str,
}


class ResultStore:
    """What a worker runs when attempts have ended."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._finish, self._close = self._record_statements()
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
        batch = {"batch": self._dialect.pack([self._row(result) for result in results])}
        accepted = set(connection.execute(self._finish, batch).scalars())
        connection.execute(self._close, batch)
        mine = [result for result in results if result.id in accepted]
        ended = [result.id for result in mine if result.state is not State.PENDING]
        if ended:
            self.promote(connection, ended)
        self._count(connection, mine)
        return accepted

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

    @staticmethod
    def _row(result: Result) -> dict[str, Any]:
        return {name: getattr(result, name) for name in _COLUMNS}

    def _count(self, connection: Connection, results: Sequence[Result]) -> None:
        good = {(r.owner, r.endpoint) for r in results if r.counts > 0}
        bad = {(r.owner, r.endpoint) for r in results if r.counts < 0}
        off = {(r.owner, r.endpoint): r.verdict for r in results if r.disable}
        rows = self._named(good)
        if rows:
            connection.execute(self._succeed, rows)
        for key in sorted(bad):
            connection.execute(self._fail, {"owner": key[0], "url": key[1]})
        for key, reason in sorted(off.items()):
            connection.execute(self._disable, {"p_owner": key[0], "p_url": key[1], "reason": reason})

    @staticmethod
    def _named(keys: set[tuple[str, str]]) -> list[dict[str, str]]:
        return [{"p_owner": owner, "p_url": url} for owner, url in sorted(keys)]

    def _record_statements(self) -> tuple[Any, Any]:
        d, now = deliveries.c, self._dialect.now()
        r = self._dialect.rows("batch", _COLUMNS).c
        again = r.state == State.PENDING.value
        finish = (
            update(deliveries)
            .where(d.id == r.id, d.attempts == r.number, in_state(d.state, State.SENDING))
            .values(
                state=r.state,
                due_at=case((again, now + r.delay), else_=d.due_at),
                lease_until=null(),
                step=d.step + 1,
                lapses=0,
                trigger="schedule",
                status_code=r.status_code,
                verdict=r.verdict,
                breach=r.breach,
                finished_at=case((again, null()), else_=now),
            )
            .returning(d.id)
        )
        a = attempts.c
        close = (
            update(attempts)
            .where(a.delivery_id == r.id, a.number == r.number, a.outcome.is_(None))
            .values(
                duration=r.duration,
                outcome=case((again, "retry"), else_=r.state),
                status_code=r.status_code,
                verdict=r.verdict,
                breach=r.breach,
                response=r.response,
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
        chosen = select(following.scalar_subquery()).where(
            self._dialect.among(ended.c.id, "ids"), ended.c.target_id.is_not(None)
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
                in_state(p.c.state, State.PENDING, State.WAITING, State.SENDING),
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
        # A healthy endpoint needs no row, and costs no write.
        succeed = (
            update(endpoints)
            .where(named, e.failures > 0)
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
