"""The tables of payments: a row for each checkout session, each refund, and each event received."""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from invoices.database import Base, Moment
from invoices.payments.lifecycle import UNSETTLED, PaymentState, RefundState, Return

__all__ = ["Payment", "PaymentEvent", "Refund"]

_Id = BigInteger().with_variant(Integer, "sqlite")
_UNSETTLED = text(f"state IN {tuple(state.value for state in UNSETTLED)}")


class Payment(Base):
    """One try to collect an invoice's money: one checkout session at the provider.

    `reference` is the name that the provider knows it by. `idempotency_key` is stored before the provider is
    asked, so that asking again, also after a crash, never makes a second session. `closed_at` is when its
    checkout ended without money. `flag` is a fact that a person should look at: ``overpaid``,
    ``paid_after_void``, ``paid_late``, ``mismatch``, ``refused``.
    """

    __tablename__ = "payments"
    __table_args__ = (
        UniqueConstraint("invoice_pk", "attempt"),
        Index(
            "uq_payments_unsettled",
            "invoice_pk",
            unique=True,
            sqlite_where=_UNSETTLED,
            postgresql_where=_UNSETTLED,
        ),
    )

    pk: Mapped[int] = mapped_column(_Id, primary_key=True)
    invoice_pk: Mapped[int] = mapped_column(ForeignKey("invoices.pk"))
    attempt: Mapped[int] = mapped_column(Integer)
    reference: Mapped[str] = mapped_column(String(64), unique=True)
    idempotency_key: Mapped[str] = mapped_column(String(255), unique=True)
    state: Mapped[PaymentState] = mapped_column(String(16), default=PaymentState.STARTING)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    livemode: Mapped[bool] = mapped_column(Boolean)
    session_id: Mapped[str | None] = mapped_column(String(255), unique=True)
    checkout_url: Mapped[str | None] = mapped_column(Text)
    expires_at: Mapped[datetime | None] = mapped_column(Moment)
    provider_payment: Mapped[str | None] = mapped_column(String(255), index=True)
    declined_at: Mapped[datetime | None] = mapped_column(Moment)
    closed_at: Mapped[datetime | None] = mapped_column(Moment)
    flag: Mapped[str | None] = mapped_column(String(32))
    flag_detail: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Moment)
    settled_at: Mapped[datetime | None] = mapped_column(Moment)


class Refund(Base):
    """Money of one payment that goes back, or is asked to: by us, or by the customer's bank in a dispute.

    `reference` is the name that the provider knows it by, and its idempotency key there; a refund that was
    made at the provider is named by the provider. `payment_pk` is None while the refund came to be known
    before the payment with its `provider_payment`. `request_key` is the API user's idempotency key.
    """

    __tablename__ = "refunds"
    __table_args__ = (CheckConstraint("amount_minor > 0", name="amount_is_positive"),)

    pk: Mapped[int] = mapped_column(_Id, primary_key=True)
    payment_pk: Mapped[int | None] = mapped_column(ForeignKey("payments.pk"), index=True)
    kind: Mapped[Return] = mapped_column(String(16), default=Return.REFUND)
    reference: Mapped[str] = mapped_column(String(64), unique=True)
    request_key: Mapped[str | None] = mapped_column(String(255))
    provider_refund: Mapped[str | None] = mapped_column(String(255), unique=True)
    provider_payment: Mapped[str] = mapped_column(String(255), index=True)
    state: Mapped[RefundState] = mapped_column(String(16), default=RefundState.REQUESTED)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    detail: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Moment)
    settled_at: Mapped[datetime | None] = mapped_column(Moment)


class PaymentEvent(Base):
    """A verified event of the provider; its id is stored once, so that a repeated event changes nothing.

    `outcome` is what came of it: ``applied``, ``no_change``, ``unrelated``, ``unknown_payment``,
    ``mismatch``.
    """

    __tablename__ = "payment_events"

    id: Mapped[str] = mapped_column(String(255), primary_key=True)
    type: Mapped[str] = mapped_column(String(100))
    reference: Mapped[str | None] = mapped_column(String(64), index=True)
    livemode: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[datetime] = mapped_column(Moment)
    received_at: Mapped[datetime] = mapped_column(Moment)
    outcome: Mapped[str] = mapped_column(String(32))
    detail: Mapped[str | None] = mapped_column(Text)
