"""The tables of API users: accounts and API keys."""

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from invoices.accounts.scopes import Scope, scopes_of
from invoices.database import Base, Moment


class Account(Base):
    """An API user. Its `id` is a readable word, and the owner of its targets and secrets in Ringback.

    `callbacks` names what it is called back about beside payments, with spaces between the words.
    """

    __tablename__ = "accounts"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    callbacks: Mapped[str] = mapped_column(String(120), default="")
    created_at: Mapped[datetime] = mapped_column(Moment)
    disabled_at: Mapped[datetime | None] = mapped_column(Moment)


class ApiKey(Base):
    """A key of an account. Only its digest is stored; the prefix finds it and shows it in lists.

    `scopes` holds the words of `Scope` with spaces between them. `last_used_at` is a minute late at most.
    """

    __tablename__ = "api_keys"

    prefix: Mapped[str] = mapped_column(String(16), primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True)
    digest: Mapped[str] = mapped_column(String(64))
    scopes: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(Moment)
    last_used_at: Mapped[datetime | None] = mapped_column(Moment)
    revoked_at: Mapped[datetime | None] = mapped_column(Moment)

    @property
    def granted(self) -> frozenset[Scope]:
        """What the key may be used for."""
        return scopes_of(self.scopes)
