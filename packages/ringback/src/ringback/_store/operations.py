"""Statements by which people steer: cancel, replay, enable, disable, prune, and what is still open."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Float, Integer, bindparam, func, null, select, update

from ringback._store.dialect import Dialect
from ringback._store.tables import attempts, deliveries, endpoints, in_state, messages
from ringback._types import State

ENDED_STATES: Final = (State.DELIVERED, State.DEAD, State.CANCELLED)

_AGAIN: Final[Mapping[str, Any]] = {
    "state": State.PENDING.value,
    "step": 0,
    "lapses": 0,
    "trigger": "replay",
    "finished_at": null(),
}


class OperationStore:
    """What API, CLI and console run; callers' statements never wait for a delivery that is being sent."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        d, now = deliveries.c, dialect.now()
        named = select(messages.c.id).where(messages.c.message_id == bindparam("p_id"))
        this = d.id == named.scalar_subquery()
        self._cancel = (
            update(deliveries)
            .where(this, in_state(d.state, State.PENDING, State.WAITING))
            .values(state=State.CANCELLED.value, finished_at=now, verdict="cancelled")
            .returning(d.id)
        )
        self._replay = (
            update(deliveries)
            .where(this, in_state(d.state, *ENDED_STATES))
            .values(**_AGAIN, due_at=now + bindparam("p_delay", type_=Float()))
            .returning(d.id)
        )
        self._rows = dialect.batch("batch", {"id": int, "delay": float})
        self._replay_all = self._replay_statement()
        self._enable, self._disable, self._disable_failing = self._endpoint_statements()
        self._due = select(func.count()).where(in_state(d.state, State.PENDING), d.due_at <= now)
        self._sending = select(func.count()).where(in_state(d.state, State.SENDING))
        self._old = (
            select(d.id)
            .where(d.finished_at < now - bindparam("age", type_=Float()))
            .order_by(d.finished_at)
            .limit(bindparam("limit", type_=Integer()))
        )
        self._count_old = select(func.count()).where(d.finished_at < now - bindparam("age", type_=Float()))
        still_old = dialect.among(d.id, "ids"), d.finished_at.is_not(None)
        self._prune = deliveries.delete().where(*still_old).returning(d.id)
        self._prune_rest = (
            attempts.delete().where(dialect.among(attempts.c.delivery_id, "ids")),
            messages.delete().where(dialect.among(messages.c.id, "ids")),
        )

    def cancel(self, connection: Connection, message_id: str) -> bool:
        """End a delivery that no attempt is under way for; False when it cannot be cancelled any more."""
        return connection.execute(self._cancel, {"p_id": message_id}).scalar_one_or_none() is not None

    def replay(self, connection: Connection, message_id: str, *, delay: float = 0.0) -> bool:
        """Send a finished delivery again in `delay` seconds: same id, a new run of the schedule.

        False where it has not ended, or is not there.
        """
        values = {"p_id": message_id, "p_delay": delay}
        return connection.execute(self._replay, values).scalar_one_or_none() is not None

    def replay_all(self, connection: Connection, rows: Sequence[tuple[int, float]]) -> int:
        """Send finished deliveries again, given by row id and the seconds until it is due; gives how many."""
        if not rows:
            return 0
        return len(connection.execute(self._replay_all, self._rows.parameters(rows)).all())

    def enable(self, connection: Connection, owner: str, url: str) -> bool:
        """Call an endpoint again; what died meanwhile is for replay to send."""
        return connection.execute(self._enable, {"p_owner": owner, "p_url": url}).first() is not None

    def disable(self, connection: Connection, owner: str, url: str, reason: str) -> None:
        """Call an endpoint no more."""
        connection.execute(self._disable, {"owner": owner, "url": url, "reason": reason})

    def disable_failing(self, connection: Connection, *, after: float, failures: int = 10) -> None:
        """Disable what has failed for `after` seconds, and `failures` times, without one success."""
        connection.execute(self._disable_failing, {"after": after, "p_failures": failures})

    def due_or_sending(self, connection: Connection) -> int:
        """How many deliveries could move right now."""
        return int(connection.execute(self._due).scalar_one()) + int(
            connection.execute(self._sending).scalar_one()
        )

    def count_old(self, connection: Connection, *, age: float) -> int:
        """How many deliveries ended more than `age` seconds ago."""
        return int(connection.execute(self._count_old, {"age": age}).scalar_one())

    def prune(self, connection: Connection, *, age: float, limit: int = 1000) -> int:
        """Delete up to `limit` deliveries that ended more than `age` seconds ago; returns how many."""
        ids = list(connection.execute(self._old, {"age": age, "limit": limit}).scalars())
        if ids:
            # Without those that somebody replays at this moment.
            gone = connection.execute(self._prune, {"ids": self._dialect.ids(ids)}).scalars().all()
            for statement in self._prune_rest:
                connection.execute(statement, {"ids": self._dialect.ids(gone)})
        return len(ids)

    def _replay_statement(self) -> Any:
        d, batch = deliveries.c, self._rows
        return (
            update(deliveries)
            .where(d.id == batch.c.id, in_state(d.state, *ENDED_STATES))
            .values(**_AGAIN, due_at=self._dialect.now() + batch.c.delay)
            .returning(d.id)
        )

    def _endpoint_statements(self) -> tuple[Any, Any, Any]:
        e, now = endpoints.c, self._dialect.now()
        enable = (
            update(endpoints)
            .where(e.owner == bindparam("p_owner"), e.url == bindparam("p_url"))
            .values(disabled_at=null(), disabled_reason=null(), failures=0, failing_since=null())
            .returning(e.id)
        )
        values = {"disabled_at": now, "disabled_reason": bindparam("reason")}
        disable = self._dialect.insert(endpoints).values(
            owner=bindparam("owner"), url=bindparam("url"), **values
        )
        disable = disable.on_conflict_do_update(index_elements=[e.owner, e.url], set_=values)
        disable_failing = (
            update(endpoints)
            .where(e.disabled_at.is_(None), e.failures >= bindparam("p_failures", type_=Integer()))
            .where(e.failing_since < now - bindparam("after", type_=Float()))
            .values(disabled_at=now, disabled_reason="no success for days, and every attempt failed")
        )
        return enable, disable, disable_failing
