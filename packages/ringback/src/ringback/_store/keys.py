"""Statements on signing keys: one current key of each kind per owner, older ones until they retire.

Secrets are sealed before they reach a statement and opened after they leave it; public keys lie open.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, Float, Integer, LargeBinary, String, bindparam, func, or_, select, update

from ringback._sealing import MasterKeys, Sealed, UnreadableSecret
from ringback._signing import V1, V1A, fingerprint, new_key_pair, new_secret
from ringback._store.dialect import Dialect
from ringback._store.tables import keys

logger = logging.getLogger("ringback.keys")


class KeyStore:
    """Signing keys by owner and kind: ``v1`` for everybody, ``v1a`` for owners that asked for it."""

    def __init__(self, dialect: Dialect, master_keys: Callable[[], MasterKeys]) -> None:
        k, now = keys.c, dialect.now()
        self._master_keys = master_keys
        live = or_(k.retires_at.is_(None), k.retires_at > now)
        mine = (k.owner == bindparam("p_owner"), k.kind == bindparam("p_kind"), k.retires_at.is_(None))
        sealed = (k.id, k.owner, k.kind, k.master, k.sealed)
        names = ("owner", "kind", "master", "sealed", "fingerprint", "public_key")
        values: dict[str, Any] = {name: bindparam(name) for name in names}
        self._add = dialect.insert(keys).values(**values, created_at=now).on_conflict_do_nothing()
        self._current = select(*sealed).where(*mine)
        self._current_public = select(k.public_key).where(*mine)
        self._signing = (
            select(*sealed)
            .where(k.owner.in_(bindparam("owners", expanding=True)), live)
            .order_by(k.kind, k.id.desc())
        )
        self._retire = update(keys).where(*mine).values(retires_at=now + bindparam("overlap", type_=Float()))
        self._masters = select(k.master, func.count()).where(live).group_by(k.master)
        foreign = k.master.not_in(bindparam("known", expanding=True))
        self._stale = select(*sealed).where(k.master != bindparam("current")).order_by(k.id)
        self._owners_of_foreign = select(k.owner).where(foreign).distinct().order_by(k.owner)
        self._drop_foreign = keys.delete().where(foreign)
        self._reseal = (
            update(keys)
            .where(k.id == bindparam("p_id", type_=Integer()))
            .values(
                master=bindparam("p_master", type_=String()),
                sealed=bindparam("p_sealed", type_=LargeBinary()),
            )
        )

    def ensure(self, connection: Connection, owner: str, kind: str = V1) -> str:
        """The owner's current secret of this kind, made now if there is none."""
        which = {"p_owner": owner, "p_kind": kind}
        row = connection.execute(self._current, which).one_or_none()
        if row is None:
            connection.execute(self._add, self._made(owner, kind))
            row = connection.execute(self._current, which).one()
        return self._opened(row)

    def ensure_public(self, connection: Connection, owner: str) -> str:
        """The owner's current public key (``whpk_``), made now if there is none. Opens nothing."""
        which = {"p_owner": owner, "p_kind": V1A}
        found = connection.execute(self._current_public, which).scalar_one_or_none()
        if found is None:
            connection.execute(self._add, self._made(owner, V1A))
            found = connection.execute(self._current_public, which).scalar_one()
        return str(found)

    def signing(self, connection: Connection, owners: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """The secrets that sign for these owners today: those of ``v1`` first, of each kind the newest first.

        One that cannot be read is left out and told in the log, so that it holds up its owner alone: who has
        no other is given none.
        """
        found: dict[str, list[str]] = {owner: [] for owner in owners}
        with_v1 = set()
        for row in connection.execute(self._signing, {"owners": list(owners)}).all():
            if row.kind == V1:
                with_v1.add(row.owner)
            try:
                found[row.owner].append(self._opened(row))
            except UnreadableSecret as error:
                logger.error("a callback cannot be signed as it should be: %s", error)
        for owner in found.keys() - with_v1:
            found[owner].insert(0, self.ensure(connection, owner))
        return {owner: tuple(secrets) for owner, secrets in found.items()}

    def rotate(self, connection: Connection, owner: str, *, overlap: float, kind: str = V1) -> str:
        """A new current secret; the old one goes on signing beside it for `overlap` seconds."""
        connection.execute(self._retire, {"p_owner": owner, "p_kind": kind, "overlap": overlap})
        return self.ensure(connection, owner, kind)

    # --- the master keys behind them -----------------------------------------------------------------------

    def masters(self, connection: Connection) -> dict[str, int]:
        """How many keys that still sign each master key has encrypted, by its id."""
        return {row[0]: row[1] for row in connection.execute(self._masters)}

    def check(self, connection: Connection) -> None:
        """Raise `UnreadableSecret` if a key that still signs was encrypted with a master key not at hand."""
        known = self._master_keys().ids
        foreign = {master: count for master, count in self.masters(connection).items() if master not in known}
        if foreign:
            raise UnreadableSecret(
                f"{sum(foreign.values())} signing keys in the database were encrypted with the master key "
                f"{', '.join(foreign)}, and at hand is {', '.join(known)}. Give that one too, behind the new "
                "one (RINGBACK_KEY=new,old). If it is lost for good, `ringback keys reencrypt "
                "--drop-unreadable` lets those owners get new secrets."
            )

    def reencrypt(self, connection: Connection) -> int:
        """Encrypt with the first master key what another one at hand encrypted; returns how many."""
        master_keys = self._master_keys()
        rows = connection.execute(self._stale, {"current": master_keys.current}).all()
        readable = [row for row in rows if row.master in master_keys.ids]
        for row in readable:
            sealed = master_keys.seal(self._opened(row), owner=row.owner, kind=row.kind)
            connection.execute(
                self._reseal, {"p_id": row.id, "p_master": sealed.master, "p_sealed": sealed.content}
            )
        return len(readable)

    def drop_unreadable(self, connection: Connection) -> list[str]:
        """Delete keys whose master key is not at hand; returns their owners, who get new ones when needed."""
        known = {"known": list(self._master_keys().ids)}
        owners = [str(owner) for owner in connection.execute(self._owners_of_foreign, known).scalars()]
        connection.execute(self._drop_foreign, known)
        return owners

    def _made(self, owner: str, kind: str) -> dict[str, object]:
        secret, public = (new_secret(), None) if kind == V1 else new_key_pair()
        sealed = self._master_keys().seal(secret, owner=owner, kind=kind)
        return {
            "owner": owner,
            "kind": kind,
            "master": sealed.master,
            "sealed": sealed.content,
            "fingerprint": fingerprint(public or secret),
            "public_key": public,
        }

    def _opened(self, row: Any) -> str:
        sealed = Sealed(row.master, bytes(row.sealed))
        return self._master_keys().open(sealed, owner=row.owner, kind=row.kind)
