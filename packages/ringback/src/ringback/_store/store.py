"""The store: every statement, prepared once for one database."""

from collections.abc import Callable

from sqlalchemy import Connection, Float, select

from ringback._sealing import MasterKeys
from ringback._store.claims import ClaimStore
from ringback._store.contracts import ContractStore
from ringback._store.dialect import Dialect
from ringback._store.keys import KeyStore
from ringback._store.operations import OperationStore
from ringback._store.results import ResultStore
from ringback._store.targets import TargetStore


class Store:
    """Statements by who runs them; `clock` replaces the database's own in tests."""

    def __init__(
        self,
        dialect_name: str,
        *,
        master_keys: Callable[[], MasterKeys],
        clock: Callable[[], float] | None = None,
    ) -> None:
        dialect = Dialect(dialect_name, clock)
        self.settle = dialect.settle
        self.targets = TargetStore(dialect)
        self.claims = ClaimStore(dialect)
        self.results = ResultStore(dialect)
        self.keys = KeyStore(dialect, master_keys)
        self.operations = OperationStore(dialect)
        self.contracts = ContractStore(dialect)
        self._now = select(dialect.now().label("now").cast(Float()))

    def now(self, connection: Connection) -> float:
        """Seconds since 1970 by the clock that all statements use."""
        return float(connection.execute(self._now).scalar_one())
