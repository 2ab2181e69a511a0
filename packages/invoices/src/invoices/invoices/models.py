"""The tables of invoices, of what happened to them, and of answers that an idempotency key gives again."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Date,
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
from invoices.languages import ENGLISH

_Id = BigInteger().with_variant(Integer, "sqlite")
_Status = Enum(
    Status, native_enum=False, length=24, values_callable=lambda words: [word.value for word in words]
)


class Invoice(Base):
    """What a customer owes. `id` is the API user's own word for it, unique within the account.

    `pk` is ours and never shown. `number` counts the account's invoices without gaps; it is None only inside
    the transaction that creates the invoice. Amounts count the currency's smallest unit: `paid_minor` is what
    has been collected in all, `refunded_minor` what of it went back. `status` and `facts` (words of `Fact`
    with spaces between them) follow from these and from `voided_at` and `written_off_at`. `lines` are as they
    were sent, `scheduled` the deliveries that wait for a date. Of the hosted page's token only a digest is
    stored; raising `page_token_version` makes the old link useless. `content_hash` tells the same invoice
    sent again from another one under the same id.
    """

    __tablename__ = "invoices"
    __table_args__ = (
        UniqueConstraint("account_id", "id"),
        UniqueConstraint("account_id", "number"),
        CheckConstraint("total_minor > 0", name="total_is_positive"),
        CheckConstraint(
            "status <> 'paid' OR paid_minor - refunded_minor >= total_minor", name="paid_is_collected"
        ),
        CheckConstraint(
            "voided_at IS NULL OR status = 'void' OR facts LIKE '%paid_after_void%'", name="void_is_unpaid"
        ),
        Index("ix_invoices_account_id_pk", "account_id", "pk"),
    )

    pk: Mapped[int] = mapped_column(_Id, primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    id: Mapped[str] = mapped_column(String(255))
    number: Mapped[int | None] = mapped_column(BigInteger)
    title: Mapped[str | None] = mapped_column(Text)
    customer: Mapped[str] = mapped_column(Text)
    customer_email: Mapped[str | None] = mapped_column(String(320))
    customer_address: Mapped[str | None] = mapped_column(Text)
    lines: Mapped[list[dict[str, Any]] | None] = mapped_column(JSON(none_as_null=True))
    total_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    due_on: Mapped[date | None] = mapped_column(Date)
    notes: Mapped[str | None] = mapped_column(Text)
    language: Mapped[str] = mapped_column(String(16), default=ENGLISH)
    status: Mapped[Status] = mapped_column(_Status, default=Status.OPEN)
    paid_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    refunded_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    facts: Mapped[str] = mapped_column(String(64), default="")
    callback_url: Mapped[str | None] = mapped_column(Text)
    content_hash: Mapped[str] = mapped_column(String(64))
    page_token_version: Mapped[int] = mapped_column(Integer, default=1)
    page_token_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    mail_revision: Mapped[int] = mapped_column(Integer, default=1)
    mail_state: Mapped[str] = mapped_column(String(16), default="queued")
    mail_note: Mapped[str | None] = mapped_column(Text)
    scheduled: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    created_at: Mapped[datetime] = mapped_column(Moment)
    paid_at: Mapped[datetime | None] = mapped_column(Moment)
    voided_at: Mapped[datetime | None] = mapped_column(Moment)
    written_off_at: Mapped[datetime | None] = mapped_column(Moment)
    overdue_at: Mapped[datetime | None] = mapped_column(Moment)


class InvoiceNumber(Base):
    """The last number of an account, on databases with many writers: the row that they queue for."""

    __tablename__ = "invoice_numbers"

    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    last: Mapped[int] = mapped_column(BigInteger)


class InvoiceHappening(Base):
    """Something that happened to an invoice, as it was told: rows are added and never changed.

    `sequence` counts an invoice's rows from 1. `once` names the occasion, so that it is told once.
    """

    __tablename__ = "invoice_happenings"

    invoice_pk: Mapped[int] = mapped_column(_Id, ForeignKey("invoices.pk"), primary_key=True)
    sequence: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(32))
    once: Mapped[str] = mapped_column(String(120))
    description: Mapped[str] = mapped_column(Text)
    paid: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[datetime] = mapped_column(Moment)

    __table_args__ = (UniqueConstraint("invoice_pk", "once"),)


class StoredAnswer(Base):
    """The answer to a request with an idempotency key, given again for 24 hours. `body` is encrypted."""

    __tablename__ = "stored_answers"

    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    request_hash: Mapped[str] = mapped_column(String(64))
    body: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(Moment, index=True)
