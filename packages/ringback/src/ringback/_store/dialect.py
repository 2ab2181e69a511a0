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
    func,
    literal_column,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.types import TypeEngine

from ringback._errors import RingbackError

TYPES: dict[type, TypeEngine[Any]] = {int: BigInteger(), float: Float(), str: Text()}

# SQLite 3.40 answers NULL to unixepoch('subsec'), so its clock is read as a Julian day.
_SQLITE_NOW = "((julianday('now') - 2440587.5) * 86400.0)"
_SETTLE = text(
    "SELECT set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true), "
    "set_config('idle_in_transaction_session_timeout', :silence, true)"
)
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

    def settle(self, connection: Connection, silence: float = 10.0) -> None:
        """Keep the planner on the indexes in this transaction, and from compiling small statements.

        The tables fill and empty so fast that PostgreSQL's statistics are often those of an empty table, and
        a guess too high makes it compile (12 ms) what runs in one.

        PostgreSQL ends the transaction when it hears nothing in it for `silence` seconds: a process that is
        paused in the middle, or cut off without a word, would keep its rows locked for as long as it lives.
        """
        if not self.is_sqlite:
            connection.execute(_SETTLE, {"silence": f"{silence * 1000:.0f}"})

    def insert(self, table: Any) -> Any:
        """An INSERT that can say ON CONFLICT."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    def batch(self, name: str, columns: Mapping[str, type]) -> "Batch":
        """Rows that travel with a statement as few parameters and are a table in it."""
        return Batch(name, columns, of_sqlite=self.is_sqlite)

    def among(self, element: ColumnElement[int], parameter: str) -> ColumnElement[bool]:
        """`element` is one of a list of ids that travels as one parameter."""
        if self.is_sqlite:
            each = func.json_each(bindparam(parameter, type_=Text())).table_valued("value", name="each_id")
            return element.in_(select(cast(each.c.value, Integer())))
        return element == func.any(bindparam(parameter, type_=postgresql.ARRAY(BigInteger())))

    def ids(self, values: Iterable[int]) -> Any:
        """The parameter for `among`."""
        return json.dumps(list(values)) if self.is_sqlite else list(values)


def storable(value: Any) -> Any:
    """A value as both databases can keep it: NUL cannot be in PostgreSQL's text, so it shows as U+FFFD."""
    return value.replace("\x00", "\ufffd") if isinstance(value, str) and "\x00" in value else value


class Batch:
    """Rows as a table within a statement: `table` is what it reads, `parameters` what goes with it.

    On SQLite they travel as one JSON text, on PostgreSQL as one array for each column.
    """

    def __init__(self, name: str, columns: Mapping[str, type], *, of_sqlite: bool) -> None:
        self._names = [f"{name}_{column_name}" for column_name in columns]
        self._name = name
        self._texts = [place for place, kind in enumerate(columns.values()) if kind is str]
        self._of_sqlite = of_sqlite
        self.table = self._of_json(columns) if of_sqlite else self._of_arrays(columns)

    @property
    def c(self) -> Any:
        """The columns."""
        return self.table.c

    def parameters(self, rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
        """Rows, each with its values in the order of the columns; texts as `storable` gives them."""
        if self._of_sqlite:
            packed = json.dumps(rows, separators=(",", ":"))
            return {self._name: packed.replace("\\u0000", "\\ufffd") if "\\u0000" in packed else packed}
        columns = [list(values) for values in zip(*rows, strict=True)]
        for place in self._texts:
            columns[place] = [storable(value) for value in columns[place]]
        return dict(zip(self._names, columns, strict=True))

    def _of_json(self, columns: Mapping[str, type]) -> FromClause:
        each = func.json_each(bindparam(self._name, type_=Text())).table_valued("value", name="each_row")
        return select(
            *(
                func.json_extract(each.c.value, f"$[{place}]", type_=TYPES[kind]).label(name)
                for place, (name, kind) in enumerate(columns.items())
            )
        ).subquery(self._name)

    def _of_arrays(self, columns: Mapping[str, type]) -> FromClause:
        arrays = [
            cast(bindparam(parameter), postgresql.ARRAY(TYPES[kind]))
            for parameter, kind in zip(self._names, columns.values(), strict=True)
        ]
        table = func.unnest(*arrays).table_valued(*columns)
        return table.render_derived(name=self._name)
