"""Statements on contracts: kept once for each fingerprint, read back when one has changed."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from sqlalchemy import Connection, bindparam, select

from ringback._store.dialect import Dialect
from ringback._store.tables import contracts


class Kept(Protocol):
    """What is kept of a contract."""

    @property
    def fingerprint(self) -> str:
        """The hash of its shape."""

    @property
    def operation(self) -> str:
        """The operationId of the request that it answers."""

    @property
    def callback(self) -> str:
        """Its own name."""

    @property
    def shape(self) -> Mapping[str, Any]:
        """What sender and receiver agree on, as JSON."""


class ContractStore:
    """Contracts by fingerprint; rows are only ever added."""

    def __init__(self, dialect: Dialect) -> None:
        c = contracts.c
        self._add = (
            dialect.insert(contracts)
            .values(
                fingerprint=bindparam("fingerprint"),
                operation=bindparam("operation"),
                callback=bindparam("callback"),
                shape=bindparam("shape", type_=c.shape.type),
                created_at=dialect.now(),
            )
            .on_conflict_do_nothing(index_elements=[c.fingerprint])
        )
        self._known = select(c.fingerprint).where(c.fingerprint.in_(bindparam("among", expanding=True)))
        self._shape = select(c.shape).where(c.fingerprint == bindparam("p_fingerprint"))

    def add_missing(self, connection: Connection, kept: Sequence[Kept]) -> None:
        """Keep those that nobody has kept yet. What is there is only read, so no other transaction waits."""
        by_fingerprint = {one.fingerprint: one for one in kept}
        known = set(connection.execute(self._known, {"among": list(by_fingerprint)}).scalars())
        new = [
            {"fingerprint": f, "operation": one.operation, "callback": one.callback, "shape": dict(one.shape)}
            for f, one in by_fingerprint.items()
            if f not in known
        ]
        if new:
            connection.execute(self._add, new)

    def shape(self, connection: Connection, fingerprint: str) -> Mapping[str, Any] | None:
        """What was kept under a fingerprint."""
        found: Mapping[str, Any] | None = connection.execute(
            self._shape, {"p_fingerprint": fingerprint}
        ).scalar_one_or_none()
        return found
