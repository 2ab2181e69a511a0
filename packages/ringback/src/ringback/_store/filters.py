"""Which deliveries are meant, by what people give: states, an owner, a key, a part of an error.

A key is the one that a target was bound under; for a delivery without a target it is its idempotency key.
Both are looked up by the indexes that keep them unique, so that it takes no longer in a table of millions.
"""

from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, Table, bindparam, func, or_, select

from ringback._store.tables import deliveries, in_state, messages, targets
from ringback._types import State

__all__ = ["Filter", "look_up"]

_AT_MOST: Final = 200

_t, _m = targets.c, messages.c
_without_target = _m.idempotency_key.is_not(None) & _m.target_id.is_(None)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which deliveries are meant: those that match all that is given. `states` empty means any.

    `endpoint` is a base URL as it was given; `destination` what deliveries queue under, or a part of it such
    as a host; `error` a part of the words that say how the last attempt ended, in capitals or not.
    `targets` and `rows` are row ids, of targets and of deliveries: those of either are meant. `key` is
    replaced by them before a statement is narrowed.
    """

    states: tuple[State, ...] = ()
    owner: str | None = None
    key: str | None = None
    channel: str | None = None
    endpoint: str | None = None
    destination: str | None = None
    error: str | None = None
    targets: tuple[int, ...] | None = None
    rows: tuple[int, ...] = ()

    def apply(self, statement: Select[Any]) -> Select[Any]:
        """Narrow a statement that joins deliveries, their messages and their targets."""
        assert self.key is None, "a key must be looked up first: left out, it would mean every delivery"
        d, m = deliveries.c, messages.c
        for column, value in ((m.owner, self.owner), (m.channel, self.channel), (m.endpoint, self.endpoint)):
            if value is not None:
                statement = statement.where(column == value)
        if self.targets is not None:
            statement = statement.where(or_(m.target_id.in_(self.targets), m.id.in_(self.rows)))
        if self.destination is not None:
            is_whole = "://" in self.destination and " " in self.destination
            part = d.destination.contains(self.destination.lower(), autoescape=True)
            statement = statement.where(d.destination == self.destination if is_whole else part)
        if self.error is not None:
            words = func.lower(d.verdict).contains(self.error.lower(), autoescape=True)
            statement = statement.where(words)
        return statement.where(in_state(d.state, *self.states)) if self.states else statement


def look_up(connection: Connection, wanted: Filter) -> Filter:
    """The same filter, with targets and row ids in the place of its key; 200 of each at most."""
    if wanted.key is None:
        return wanted
    names = {"p_key": wanted.key, "p_owner": wanted.owner}
    statements = _OF_ALL if wanted.owner is None else _OF_OWNER
    bound, rows = (tuple(connection.execute(one, names).scalars()) for one in statements)
    return replace(wanted, key=None, targets=bound, rows=rows)


def _owners(table: Table, condition: ColumnElement[bool] | None = None) -> Any:
    """Each owner once: a loose index scan, one probe for each."""
    conditions = () if condition is None else (condition,)
    first = select(func.min(table.c.owner).label("owner")).where(*conditions)
    walk = first.cte(f"owners_of_{table.name}", recursive=True)
    following = select(func.min(table.c.owner)).where(*conditions, table.c.owner > walk.c.owner)
    step = following.correlate(walk).scalar_subquery()
    return walk.union_all(select(step).where(walk.c.owner.is_not(None)))


def _of_all() -> tuple[Select[Any], Select[Any]]:
    binding, sending = _owners(targets), _owners(messages, _without_target)
    bound = select(_t.id).join_from(binding, targets, (_t.owner == binding.c.owner) & _is_key(_t.key))
    mine = (_m.owner == sending.c.owner) & _is_key(_m.idempotency_key) & _without_target
    return bound.limit(_AT_MOST), select(_m.id).join_from(sending, messages, mine).limit(_AT_MOST)


def _of_owner() -> tuple[Select[Any], Select[Any]]:
    owner = bindparam("p_owner", type_=_t.owner.type)
    bound = select(_t.id).where(_t.owner == owner, _is_key(_t.key))
    sent = select(_m.id).where(_m.owner == owner, _is_key(_m.idempotency_key), _without_target)
    return bound.limit(_AT_MOST), sent.limit(_AT_MOST)


def _is_key(column: ColumnElement[Any]) -> ColumnElement[bool]:
    return column == bindparam("p_key", type_=column.type)


_OF_ALL: Final = _of_all()
_OF_OWNER: Final = _of_owner()
