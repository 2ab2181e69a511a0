"""The archive: what each contract was, kept by fingerprint for targets that outlive a change of the app."""

from collections.abc import Iterable

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from ringback._contract import Contract
from ringback._drift import EarlierContract
from ringback._store.contracts import ContractStore

__all__ = ["Archive"]


class Archive:
    """Keeps today's contracts, and finds those of other days and of other versions of the app."""

    def __init__(self, store: ContractStore) -> None:
        self._store = store
        self._kept: set[str] = set()
        self._found: dict[str, EarlierContract] = {}

    async def keep(self, engine: AsyncEngine, contracts: Iterable[Contract]) -> None:
        """Keep all contracts of an app, committed, so that no `bind` has to."""
        contracts = list(contracts)
        async with engine.begin() as connection:
            await connection.run_sync(self._store.add_missing, contracts)
        self._kept.update(contract.fingerprint for contract in contracts)

    def keep_in(self, connection: Connection, contracts: Iterable[Contract]) -> None:
        """Keep, in a caller's transaction, what this process has not kept at its start."""
        new = [contract for contract in contracts if contract.fingerprint not in self._kept]
        if new:
            # Not remembered, since the transaction may be rolled back.
            self._store.add_missing(connection, new)

    def find(self, connection: Connection, fingerprint: str) -> EarlierContract | None:
        """A contract by its fingerprint; None where nobody kept it."""
        found = self._found.get(fingerprint)
        if found is None:
            shape = self._store.shape(connection, fingerprint)
            if shape is None:
                return None
            found = self._found[fingerprint] = EarlierContract(shape)
        return found

    async def fetch(self, engine: AsyncEngine, fingerprint: str) -> EarlierContract | None:
        """The same on a connection of its own, and that only the first time."""
        if fingerprint in self._found:
            return self._found[fingerprint]
        async with engine.connect() as connection:
            await connection.execution_options(sqlite_read_only=True)
            return await connection.run_sync(self.find, fingerprint)
