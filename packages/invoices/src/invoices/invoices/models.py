"""The tables of invoices, and of the answers that an idempotency key gives again."""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Enum,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from invoices.database import Base, Moment
from invoices.invoices.lifecycle import Status

_Id = BigInteger().with_variant(Integer, "sqlite")
_Status = Enum(
    Status, native_enum=False, length=16, values_callable=lambda words: [word.value for word in words]
)


class Invoice(Base):
    """What a customer owes. `id` is the API user's own word for it, unique within the account.

    `pk` is ours and never shown. `total_minor` counts the currency's smallest unit. Of the hosted page's
    token only a digest is stored; raising `page_token_version` makes the old link useless.
    `content_hash` tells the same invoice sent again from another one under the same id.
    """

    __tablename__ = "invoices"
    __table_args__ = (
        UniqueConstraint("account_id", "id"),
        CheckConstraint("total_minor > 0", name="total_is_positive"),
        Index("ix_invoices_account_id_pk", "account_id", "pk"),
    )

    pk: Mapped[int] = mapped_column(_Id, primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    id: Mapped[str] = mapped_column(String(255))
    title: Mapped[str | None] = mapped_column(Text)
    customer: Mapped[str] = mapped_column(Text)
    customer_email: Mapped[str | None] = mapped_column(String(320))
    total_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    status: Mapped[Status] = mapped_column(_Status, default=Status.OPEN)
    callback_url: Mapped[str | None] = mapped_column(Text)
    content_hash: Mapped[str] = mapped_column(String(64))
    page_token_version: Mapped[int] = mapped_column(Integer, default=1)
    page_token_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(Moment)
    paid_at: Mapped[datetime | None] = mapped_column(Moment)
    voided_at: Mapped[datetime | None] = mapped_column(Moment)


class StoredAnswer(Base):
    """The answer to a request with an idempotency key, given again for 24 hours. `body` is encrypted."""

    __tablename__ = "stored_answers"

    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    request_hash: Mapped[str] = mapped_column(String(64))
    body: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(Moment, index=True)
