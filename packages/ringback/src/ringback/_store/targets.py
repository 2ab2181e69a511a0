"""Statements on targets and new deliveries: all that a caller's transaction ever runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, insert, literal, select, update
from sqlalchemy.sql.elements import ColumnElement

from ringback._store.dialect import Dialect
from ringback._store.tables import deliveries, messages, targets
from ringback._types import State


@dataclass(frozen=True, slots=True)
class StoredTarget:
    """A row of targets, with the sequence number just taken (None where none was asked for)."""

    id: int
    urls: dict[str, dict[str, str | None]]
    sequence: int | None = None


class TargetStore:
    """Targets and the deliveries that are added to them, on the caller's connection."""

    def __init__(self, dialect: Dialect) -> None:
        t = targets.c
        now = dialect.now()
        self._add = (
            dialect.insert(targets)
            .values(
                owner=bindparam("owner"),
                operation=bindparam("operation"),
                key=bindparam("key"),
                urls=bindparam("urls", type_=t.urls.type),
                next_sequence=1,
                created_at=now,
            )
            .on_conflict_do_nothing(index_elements=[t.owner, t.operation, t.key])
            .returning(t.id)
        )
        mine: tuple[ColumnElement[bool], ...] = (
            t.owner == bindparam("p_owner"),
            t.operation == bindparam("p_operation"),
            t.key == bindparam("p_key"),
        )
        self._find = select(t.id, t.urls).where(*mine)
        self._take = (
            update(targets)
            .where(*mine)
            .values(next_sequence=t.next_sequence + 1)
            .returning(t.id, t.urls, (t.next_sequence - 1).label("sequence"))
        )
        self._replace = (
            update(targets)
            .where(t.id == bindparam("p_id"))
            .values(urls=bindparam("new_urls", type_=t.urls.type))
        )
        self._operations = select(t.operation, t.urls).where(mine[0], mine[2])
        self._add_message, self._add_delivery = self._delivery_inserts(dialect)
        self._existing = self._existing_select()

    @staticmethod
    def _existing_select() -> Any:
        m = messages.c
        return select(m.message_id).where(
            m.idempotency_key == bindparam("p_key"),
            m.channel == bindparam("p_channel"),
            m.owner == bindparam("p_owner"),
            m.target_id.is_not_distinct_from(bindparam("p_target_id", type_=m.target_id.type)),
        )

    @staticmethod
    def _delivery_inserts(dialect: Dialect) -> tuple[Any, Any]:
        """What stores a message and its delivery; PostgreSQL can say both in one statement."""
        m, d, now = messages.c, deliveries.c, dialect.now()
        given = {c.name: bindparam(c.name, type_=c.type) for c in m if c.name not in ("id", "note")}
        given["note"] = bindparam("note", None, type_=m.note.type)
        message = dialect.insert(messages).values(given).on_conflict_do_nothing().returning(m.id)
        columns = [d.destination, d.target_id, d.sequence, d.state, d.due_at, d.created_at]
        values = [
            *(bindparam(c.name, type_=c.type) for c in columns[:3]),
            literal(State.PENDING.value),
            now + bindparam("delay", type_=d.due_at.type),
            now,
        ]
        if dialect.is_sqlite:
            named = dict(zip(columns, values, strict=True))
            return message, insert(deliveries).values({d.id: bindparam("id", type_=d.id.type), **named})
        added = message.cte("added")
        delivery = insert(deliveries).from_select([d.id, *columns], select(added.c.id, *values))
        return delivery.returning(d.id), None

    def add(
        self, connection: Connection, owner: str, operation: str, key: str, urls: Mapping[str, Any]
    ) -> int | None:
        """Store a new target; None when the key is bound already."""
        values = {"owner": owner, "operation": operation, "key": key, "urls": dict(urls)}
        return connection.execute(self._add, values).scalar_one_or_none()

    def find(self, connection: Connection, owner: str, operation: str, key: str) -> StoredTarget | None:
        """The target of a key, without taking any lock."""
        names = {"p_owner": owner, "p_operation": operation, "p_key": key}
        row = connection.execute(self._find, names).one_or_none()
        return None if row is None else StoredTarget(row.id, row.urls)

    def operations_of(self, connection: Connection, owner: str, key: str) -> dict[str, list[str]]:
        """The operations that a key is bound under, each with the callbacks that were bound."""
        rows = connection.execute(self._operations, {"p_owner": owner, "p_key": key})
        return {row.operation: list(row.urls) for row in rows}

    def take_sequence(
        self, connection: Connection, owner: str, operation: str, key: str
    ) -> StoredTarget | None:
        """The target with its next sequence number: the one lock that a caller's transaction holds."""
        names = {"p_owner": owner, "p_operation": operation, "p_key": key}
        row = connection.execute(self._take, names).one_or_none()
        return None if row is None else StoredTarget(row.id, row.urls, row.sequence)

    def replace(self, connection: Connection, target_id: int, urls: Mapping[str, Any]) -> None:
        """Point a target elsewhere; deliveries already made keep their URL."""
        connection.execute(self._replace, {"p_id": target_id, "new_urls": dict(urls)})

    def add_delivery(self, connection: Connection, values: Mapping[str, Any]) -> int | None:
        """Store one delivery; None when its idempotency key is taken."""
        id_ = connection.execute(self._add_message, dict(values)).scalar_one_or_none()
        if id_ is not None and self._add_delivery is not None:
            named = {name: values[name] for name in ("destination", "target_id", "sequence", "delay")}
            connection.execute(self._add_delivery, {"id": id_, **named})
        return id_

    def existing_message_id(self, connection: Connection, values: Mapping[str, Any]) -> str:
        """The id of the delivery that holds this idempotency key."""
        names = {f"p_{name}": values[name] for name in ("channel", "owner", "target_id")}
        row = connection.execute(self._existing, names | {"p_key": values["idempotency_key"]}).one()
        return str(row.message_id)
