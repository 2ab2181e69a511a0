"""The few places where SQLite and PostgreSQL say the same thing in different words."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Float,
    FromClause,
    Integer,
    Text,
    bindparam,
    cast,
    column,
    func,
    literal_column,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

from ringback._errors import RingbackError

_TYPES: dict[type, TypeEngine[Any]] = {int: BigInteger(), float: Float(), str: Text()}

# SQLite 3.40 answers NULL to unixepoch('subsec'), so its clock is read as a Julian day.
_SQLITE_NOW = "((julianday('now') - 2440587.5) * 86400.0)"
_PLAIN_PLANS = text("SELECT set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true)")
# In a subquery of its own the clock is read once a statement, and an index on a time can be used with it.
_POSTGRESQL_NOW = "(SELECT extract(epoch FROM clock_timestamp())::float8)"


class Dialect:
    """One database's words for: now, a batch of rows as one parameter, and "these ids"."""

    def __init__(self, name: str, clock: Callable[[], float] | None = None) -> None:
        if name not in ("sqlite", "postgresql"):
            raise RingbackError(
                f"Ringback keeps its outbox in SQLite or PostgreSQL, and this database is {name!r}. "
                "Give Ringback(database=...) an engine or URL of one of the two."
            )
        self.name = name
        self._clock = clock

    @property
    def is_sqlite(self) -> bool:
        """Whether this is the embedded database, with one writer at a time."""
        return self.name == "sqlite"

    def now(self) -> ColumnElement[float]:
        """The database's clock, or the injected one: the only `now` in any statement."""
        if self._clock is not None:
            return bindparam("injected_now", callable_=self._clock, type_=Float())
        return literal_column(_SQLITE_NOW if self.is_sqlite else _POSTGRESQL_NOW, Float())

    def settle(self, connection: Connection) -> None:
        """Keep the planner on the indexes in this transaction, and from compiling small statements.

        The tables fill and empty so fast that PostgreSQL's statistics are often those of an empty table, and
        a guess too high makes it compile (12 ms) what runs in one.
        """
        if not self.is_sqlite:
            connection.execute(_PLAIN_PLANS)

    def insert(self, table: Any) -> Any:
        """An INSERT that can say ON CONFLICT."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    def rows(self, parameter: str, columns: Mapping[str, type]) -> FromClause:
        """A table made of one JSON parameter, see `pack`."""
        if self.is_sqlite:
            each = func.json_each(bindparam(parameter, type_=Text())).table_valued("value", name="each_row")
            return select(
                *(
                    cast(func.json_extract(each.c.value, f"$.{name}"), _TYPES[kind]).label(name)
                    if kind is not str
                    else func.json_extract(each.c.value, f"$.{name}", type_=Text()).label(name)
                    for name, kind in columns.items()
                )
            ).subquery("batch")
        return (
            func.jsonb_to_recordset(cast(bindparam(parameter, type_=Text()), JSONB))
            .table_valued(*(column(name, _TYPES[kind]) for name, kind in columns.items()))
            .render_derived(name="batch", with_types=True)
        )

    def among(self, element: ColumnElement[int], parameter: str) -> ColumnElement[bool]:
        """`element` is one of a list of ids that travels as one parameter."""
        if self.is_sqlite:
            each = func.json_each(bindparam(parameter, type_=Text())).table_valued("value", name="each_id")
            return element.in_(select(cast(each.c.value, Integer())))
        return element == func.any(bindparam(parameter, type_=postgresql.ARRAY(BigInteger())))

    def ids(self, values: Iterable[int]) -> Any:
        """The parameter for `among`."""
        return json.dumps(list(values)) if self.is_sqlite else list(values)

    @staticmethod
    def pack(rows: Sequence[Mapping[str, Any]]) -> str:
        """The parameter for `rows`. NUL cannot be kept by PostgreSQL's text, so it is shown as U+FFFD."""
        return json.dumps(rows, separators=(",", ":")).replace("\\u0000", "\\ufffd")
