"""Statements on signing keys: one current secret per owner, older ones until they retire."""

from collections.abc import Callable, Sequence

from sqlalchemy import Connection, Float, bindparam, or_, select, update

from ringback._store.dialect import Dialect
from ringback._store.tables import keys


class KeyStore:
    """Signing secrets by owner."""

    def __init__(self, dialect: Dialect, new_secret: Callable[[], str]) -> None:
        k, now = keys.c, dialect.now()
        self._new_secret = new_secret
        self._add = (
            dialect.insert(keys)
            .values(owner=bindparam("owner"), secret=bindparam("secret"), created_at=now)
            .on_conflict_do_nothing()
        )
        self._current = select(k.secret).where(k.owner == bindparam("p_owner"), k.retires_at.is_(None))
        self._signing = (
            select(k.owner, k.secret)
            .where(k.owner.in_(bindparam("owners", expanding=True)))
            .where(or_(k.retires_at.is_(None), k.retires_at > now))
            .order_by(k.id.desc())
        )
        self._retire = (
            update(keys)
            .where(k.owner == bindparam("p_owner"), k.retires_at.is_(None))
            .values(retires_at=now + bindparam("overlap", type_=Float()))
        )

    def ensure(self, connection: Connection, owner: str) -> str:
        """The owner's current secret, made now if there is none."""
        found = connection.execute(self._current, {"p_owner": owner}).scalar_one_or_none()
        if found is None:
            connection.execute(self._add, {"owner": owner, "secret": self._new_secret()})
            found = connection.execute(self._current, {"p_owner": owner}).scalar_one()
        return str(found)

    def signing(self, connection: Connection, owners: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """The secrets that sign for these owners today, the newest first."""
        found: dict[str, list[str]] = {owner: [] for owner in owners}
        for row in connection.execute(self._signing, {"owners": list(owners)}):
            found[row.owner].append(row.secret)
        return {
            owner: tuple(secrets) or (self.ensure(connection, owner),) for owner, secrets in found.items()
        }

    def rotate(self, connection: Connection, owner: str, *, overlap: float) -> str:
        """A new current secret; the old one goes on signing beside it for `overlap` seconds."""
        connection.execute(self._retire, {"p_owner": owner, "overlap": overlap})
        return self.ensure(connection, owner)
