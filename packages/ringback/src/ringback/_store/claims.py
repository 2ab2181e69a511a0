"""Statements by which a worker takes due deliveries: lapse, look, wait, claim, release."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    Connection,
    Float,
    Integer,
    and_,
    bindparam,
    case,
    cast,
    exists,
    func,
    insert,
    lateral,
    null,
    or_,
    select,
    true,
    update,
)

from ringback._store.dialect import Dialect
from ringback._store.header_fields import FieldsText, HeaderFields
from ringback._store.tables import attempts, deliveries, endpoints, in_state, messages, with_messages
from ringback._types import State


class Candidate(NamedTuple):
    """A due delivery as the claim sees it before it decides."""

    id: int
    channel: str
    destination: str
    predecessor: int | None
    disabled: bool
    failing: bool


class Claimed(NamedTuple):
    """A delivery that this worker may attempt once, until its lease runs out.

    A tuple, like the other values of which there is one for each attempt: a frozen dataclass takes several
    times as long to make.
    """

    id: int
    message_id: str
    channel: str
    owner: str
    destination: str
    endpoint: str
    operation: str | None
    callback: str | None
    contract: str | None
    method: str
    url: str
    headers: HeaderFields
    body: bytes
    idempotency_key: str | None
    number: int
    step: int
    created_at: float
    # Whether its endpoint has failed since it last succeeded: then a success is news.
    failing: bool = False


# Seconds over which deliveries are spread that were lost twice; four and nine times that the next times.
_APART: Final = 10.0


_m = messages.c
_fields = cast(_m.headers, FieldsText()).label("headers")


def _claimed(d: Any) -> tuple[Any, ...]:
    """The columns of `Claimed`, those that change from `d`."""
    return (
        d.id, _m.message_id, _m.channel, _m.owner, d.destination, _m.endpoint, _m.operation, _m.callback,
        _m.contract, _m.method, _m.url, _fields, _m.body, _m.idempotency_key, d.attempts, d.step,
        d.created_at,
    )  # fmt: skip


class ClaimStore:
    """What a worker runs to get its next work, on a connection of its own."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._pairs = dialect.batch("batch", {"id": int, "number": int})
        self._places = dialect.batch("batch", {"destination": str})
        self._lapse, self._abandon = self._lapse_statements()
        self._destinations = self._destination_statement()
        self._candidates = self._candidate_statement()
        self._lock, self._wait, self._postpone = self._waiting_statements()
        self._claim = self._claim_statements()
        self._unclaim, self._unbegin = self._release_statements()

    def lapse(self, connection: Connection, *, quarantine_after: int, limit: int = 500) -> list[int]:
        """Give back what a lost worker held; its attempt is marked unknown. Returns what was quarantined.

        What was lost once is due at once. What is lost again and again is due at times of its own, so that
        the one that kills its workers does not take the same others with it until all are quarantined.
        """
        figures = {"limit": limit, "quarantine_after": quarantine_after, "apart": _APART}
        rows = connection.execute(self._lapse, figures).all()
        if rows:
            connection.execute(self._abandon, self._pairs.parameters([(r.id, r.attempts) for r in rows]))
        return [row.id for row in rows if row.state == State.DEAD]

    def destinations(self, connection: Connection, *, after: str, limit: int) -> list[str]:
        """Destinations with pending deliveries, in order, from just behind `after`."""
        rows = connection.execute(self._destinations, {"after": after, "limit": limit})
        return [row.destination for row in rows if row.destination is not None]

    def candidates(self, connection: Connection, destinations: Sequence[str], room: int) -> list[Candidate]:
        """At most `room` due deliveries of each destination, locked where the database locks rows."""
        batch = self._places.parameters([(name,) for name in destinations])
        rows = connection.execute(self._candidates, batch | {"room": room})
        return [Candidate(*row) for row in rows]

    def put_behind(self, connection: Connection, blocked: Mapping[int, int]) -> None:
        """Move deliveries (id: predecessor) to waiting.

        The predecessor is locked first, so that its end, which promotes its successor, cannot pass
        unseen. Where somebody else holds it, the successor is only put off for a second.
        """
        ids = self._dialect.ids
        locked = set(connection.execute(self._lock, {"ids": ids(set(blocked.values()))}).scalars())
        behind = [id_ for id_, predecessor in blocked.items() if predecessor in locked]
        later = [id_ for id_, predecessor in blocked.items() if predecessor not in locked]
        if behind:
            connection.execute(self._wait, {"ids": ids(behind)})
        if later:
            connection.execute(self._postpone, {"ids": ids(later)})

    def claim(
        self, connection: Connection, ids: Sequence[int], *, worker: str, lease: float
    ) -> list[Claimed]:
        """Take these deliveries for one attempt each, with the attempt's row, for `lease` seconds."""
        figures = {"ids": self._dialect.ids(ids), "lease": lease, "worker": worker}
        *first, last = self._claim
        for statement in first:
            connection.execute(statement, figures)
        return [Claimed(*row) for row in connection.execute(last, figures)]

    def release(self, connection: Connection, claimed: Sequence[Claimed]) -> None:
        """Give back deliveries of which no byte has left; it is as if they had not been claimed."""
        batch = self._pairs.parameters([(c.id, c.number) for c in claimed])
        connection.execute(self._unclaim, batch)
        connection.execute(self._unbegin, batch)

    def _lapse_statements(self) -> tuple[Any, Any]:
        d, now = deliveries.c, self._dialect.now()
        lost = (
            select(d.id)
            .where(in_state(d.state, State.SENDING), d.lease_until < now)
            .order_by(d.lease_until)
            .limit(bindparam("limit", type_=Integer()))
            .with_for_update(skip_locked=True)
        )
        poison = d.lapses + 1 >= bindparam("quarantine_after", type_=Integer())
        place = (d.id * 7919 * (d.lapses + 1)) % 1000
        apart = bindparam("apart", type_=Float()) * d.lapses * d.lapses * place / 1000.0
        lapse = (
            update(deliveries)
            .where(d.id.in_(lost.scalar_subquery()))
            .values(
                state=case((poison, State.DEAD.value), else_=State.PENDING.value),
                verdict=case(
                    (poison, "quarantined: its worker was lost at every attempt"),
                    else_="the worker was lost during the attempt; whether it arrived is unknown",
                ),
                finished_at=case((poison, now), else_=null()),
                lapses=d.lapses + 1,
                lease_until=null(),
                due_at=now + apart,
            )
            .returning(d.id, d.attempts, d.state)
        )
        batch = self._pairs
        abandon = (
            update(attempts)
            .where(
                attempts.c.delivery_id == batch.c.id,
                attempts.c.number == batch.c.number,
                attempts.c.outcome.is_(None),
            )
            .values(outcome="unknown", verdict="the worker was lost; whether it arrived is unknown")
        )
        return lapse, abandon

    def _destination_statement(self) -> Any:
        # A loose index scan: one probe of the index for each destination, however many rows it has.
        d = deliveries.alias("d").c
        pending = in_state(d.state, State.PENDING)
        first = (
            select(d.destination)
            .where(pending, d.destination > bindparam("after"))
            .order_by(d.destination)
            .limit(1)
        )
        walk = select(first.scalar_subquery().label("destination")).cte("walk", recursive=True)
        step = (
            select(d.destination)
            .where(pending, d.destination > walk.c.destination)
            .order_by(d.destination)
            .limit(1)
            .correlate(walk)
        )
        walk = walk.union_all(select(step.scalar_subquery()).where(walk.c.destination.is_not(None)))
        return select(walk.c.destination).limit(bindparam("limit", type_=Integer()))

    def _candidate_statement(self) -> Any:
        d, x = deliveries.alias("d"), deliveries.alias("x")
        batch = self._places.table
        due = (
            select(x.c.id)
            .where(
                in_state(x.c.state, State.PENDING),
                x.c.destination == batch.c.destination,
                x.c.due_at <= self._dialect.now(),
            )
            .order_by(x.c.due_at)
            .limit(bindparam("room", type_=Integer()))
            .correlate(batch)
        )
        source: Any
        if self._dialect.is_sqlite:
            source = batch.join(d, d.c.id.in_(due.scalar_subquery()))
        else:
            # The lock must be on the rows themselves, and rows that others hold must not use up the room.
            found = lateral(due.with_for_update(skip_locked=True), name="found")
            source = batch.join(found, true()).join(d, d.c.id == found.c.id)
        p = deliveries.alias("p").c
        predecessor = (
            select(p.id)
            .where(p.target_id == d.c.target_id, p.sequence < d.c.sequence, p.finished_at.is_(None))
            .order_by(p.sequence.desc())
            .limit(1)
            .correlate(d)
        )
        e = endpoints.c
        troubled = or_(e.disabled_at.is_not(None), e.failures > 0)
        known = and_(e.owner == _m.owner, e.url == _m.endpoint, troubled)
        source = source.join(messages, _m.id == d.c.id).outerjoin(endpoints, known)
        return select(
            d.c.id,
            _m.channel,
            d.c.destination,
            case((d.c.sequence > 1, predecessor.scalar_subquery())).label("predecessor"),
            e.disabled_at.is_not(None).label("disabled"),
            (func.coalesce(e.failures, 0) > 0).label("failing"),
        ).select_from(source)

    def _waiting_statements(self) -> tuple[Any, Any, Any]:
        d = deliveries.c
        mine = self._dialect.among(d.id, "ids")
        lock = select(d.id).where(mine, d.finished_at.is_(None)).with_for_update(skip_locked=True)
        wait = update(deliveries).where(mine).values(state=State.WAITING.value)
        postpone = update(deliveries).where(mine).values(due_at=self._dialect.now() + 1.0)
        return lock, wait, postpone

    def _claim_statements(self) -> tuple[Any, ...]:
        """What takes deliveries, begins their attempts and reads them; PostgreSQL can say it in one."""
        d, now = deliveries.c, self._dialect.now()
        worker = bindparam("worker", type_=attempts.c.worker.type)
        mine = self._dialect.among(d.id, "ids")
        lease_until = now + bindparam("lease", type_=Float())
        take = (
            update(deliveries)
            .where(mine)
            .values(state=State.SENDING.value, attempts=d.attempts + 1, lease_until=lease_until)
        )
        begin = insert(attempts)
        columns = ["delivery_id", "number", "trigger", "worker", "started_at"]
        if self._dialect.is_sqlite:
            begun = begin.from_select(columns, select(d.id, d.attempts, d.trigger, worker, now).where(mine))
            return take, begun, select(*_claimed(d)).select_from(with_messages).where(mine)
        taken = take.returning(d.id, d.destination, d.attempts, d.step, d.trigger, d.created_at).cte("taken")
        t = taken.c
        begun = begin.from_select(columns, select(t.id, t.attempts, t.trigger, worker, now))
        given = select(*_claimed(t)).select_from(taken.join(messages, _m.id == t.id))
        return (given.add_cte(begun.cte("begun")),)

    def _release_statements(self) -> tuple[Any, Any]:
        d, a = deliveries.c, attempts.c
        batch = self._pairs
        unclaim = (
            update(deliveries)
            .where(d.id == batch.c.id, d.attempts == batch.c.number, d.state == State.SENDING.value)
            .values(state=State.PENDING.value, attempts=d.attempts - 1, lease_until=null())
        )
        unbegin = attempts.delete().where(
            exists().where(a.delivery_id == batch.c.id, a.number == batch.c.number, a.outcome.is_(None))
        )
        return unclaim, unbegin
