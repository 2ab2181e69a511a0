"""Statements on targets and new deliveries: all that a caller's transaction ever runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, literal, select, update
from sqlalchemy.sql.elements import ColumnElement

from ringback._store.dialect import Dialect
from ringback._store.tables import deliveries, targets
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
        self._add_delivery = self._delivery_insert(dialect)
        self._existing = self._existing_select()

    @staticmethod
    def _existing_select() -> Any:
        d = deliveries.c
        return select(d.id, d.message_id, d.state).where(
            d.idempotency_key == bindparam("p_key"),
            d.channel == bindparam("p_channel"),
            d.owner == bindparam("p_owner"),
            d.target_id.is_not_distinct_from(bindparam("p_target_id", type_=d.target_id.type)),
        )

    @staticmethod
    def _delivery_insert(dialect: Dialect) -> Any:
        d = deliveries.c
        given = [
            d.message_id, d.channel, d.owner, d.destination, d.endpoint, d.target_id, d.sequence,
            d.operation, d.callback, d.contract, d.note, d.method, d.url, d.headers, d.body,
            d.idempotency_key,
        ]  # fmt: skip
        now = dialect.now()
        delay = bindparam("delay", type_=d.due_at.type)
        values: dict[str, Any] = {c.name: bindparam(c.name, type_=c.type) for c in given}
        values["note"] = bindparam("note", None, type_=d.note.type)
        values |= {"state": literal(State.PENDING.value), "due_at": now + delay, "created_at": now}
        return dialect.insert(deliveries).values(values).on_conflict_do_nothing().returning(d.id)

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
        return connection.execute(self._add_delivery, dict(values)).scalar_one_or_none()

    def existing_message_id(self, connection: Connection, values: Mapping[str, Any]) -> str:
        """The id of the delivery that holds this idempotency key."""
        names = {f"p_{name}": values[name] for name in ("channel", "owner", "target_id")}
        row = connection.execute(self._existing, names | {"p_key": values["idempotency_key"]}).one()
        return str(row.message_id)
