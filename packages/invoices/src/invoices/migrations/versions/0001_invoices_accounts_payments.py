"""Invoices, accounts, payments

Revision ID: 0001
Revises:
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

MOMENT = sa.DateTime(timezone=True)
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
UNSETTLED = sa.text("state IN ('starting', 'open', 'processing')")


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("callbacks", sa.String(length=120), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("disabled_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_accounts"),
    )
    op.create_table(
        "payment_events",
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("type", sa.String(length=100), nullable=False),
        sa.Column("reference", sa.String(length=64), nullable=True),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("outcome", sa.String(length=32), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_payment_events"),
    )
    op.create_index("ix_payment_events_reference", "payment_events", ["reference"], unique=False)

    op.create_table(
        "api_keys",
        sa.Column("prefix", sa.String(length=16), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.String(length=64), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("last_used_at", MOMENT, nullable=True),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_api_keys_account_id"),
        sa.PrimaryKeyConstraint("prefix", name="pk_api_keys"),
    )
    op.create_index("ix_api_keys_account_id", "api_keys", ["account_id"], unique=False)

    op.create_table(
        "invoices",
        sa.Column("pk", ID, nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=True),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("customer_email", sa.String(length=320), nullable=True),
        sa.Column("customer_address", sa.Text(), nullable=True),
        sa.Column("lines", sa.JSON(), nullable=True),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("notes", sa.Text(), nullable=True),
        sa.Column("language", sa.String(length=16), nullable=False),
        sa.Column("status", sa.String(length=24), nullable=False),
        sa.Column("paid_minor", sa.BigInteger(), nullable=False),
        sa.Column("refunded_minor", sa.BigInteger(), nullable=False),
        sa.Column("facts", sa.String(length=64), nullable=False),
        sa.Column("callback_url", sa.Text(), nullable=True),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("page_token_version", sa.Integer(), nullable=False),
        sa.Column("page_token_hash", sa.String(length=64), nullable=True),
        sa.Column("mail_revision", sa.Integer(), nullable=False),
        sa.Column("mail_state", sa.String(length=16), nullable=False),
        sa.Column("mail_note", sa.Text(), nullable=True),
        sa.Column("scheduled", sa.JSON(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("paid_at", MOMENT, nullable=True),
        sa.Column("voided_at", MOMENT, nullable=True),
        sa.Column("written_off_at", MOMENT, nullable=True),
        sa.Column("overdue_at", MOMENT, nullable=True),
        sa.CheckConstraint("total_minor > 0", name="ck_invoices_total_is_positive"),
        sa.CheckConstraint(
            "status <> 'paid' OR paid_minor - refunded_minor >= total_minor",
            name="ck_invoices_paid_is_collected",
        ),
        sa.CheckConstraint(
            "voided_at IS NULL OR status = 'void' OR facts LIKE '%paid_after_void%'",
            name="ck_invoices_void_is_unpaid",
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_invoices_account_id"),
        sa.PrimaryKeyConstraint("pk", name="pk_invoices"),
        sa.UniqueConstraint("account_id", "id", name="uq_invoices_account_id_id"),
        sa.UniqueConstraint("account_id", "number", name="uq_invoices_account_id_number"),
        sa.UniqueConstraint("page_token_hash", name="uq_invoices_page_token_hash"),
    )
    op.create_index("ix_invoices_account_id_pk", "invoices", ["account_id", "pk"], unique=False)

    op.create_table(
        "invoice_numbers",
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_invoice_numbers_account_id"),
        sa.PrimaryKeyConstraint("account_id", name="pk_invoice_numbers"),
    )
    op.create_table(
        "invoice_happenings",
        sa.Column("invoice_pk", ID, nullable=False),
        sa.Column("sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("once", sa.String(length=120), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("paid", sa.Boolean(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["invoice_pk"], ["invoices.pk"], name="fk_invoice_happenings_invoice_pk"),
        sa.PrimaryKeyConstraint("invoice_pk", "sequence", name="pk_invoice_happenings"),
        sa.UniqueConstraint("invoice_pk", "once", name="uq_invoice_happenings_invoice_pk_once"),
    )

    op.create_table(
        "stored_answers",
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("request_hash", sa.String(length=64), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_stored_answers_account_id"),
        sa.PrimaryKeyConstraint("account_id", "key", name="pk_stored_answers"),
    )
    op.create_index("ix_stored_answers_created_at", "stored_answers", ["created_at"], unique=False)

    op.create_table(
        "payments",
        sa.Column("pk", ID, nullable=False),
        sa.Column("invoice_pk", ID, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("reference", sa.String(length=64), nullable=False),
        sa.Column("idempotency_key", sa.String(length=255), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("session_id", sa.String(length=255), nullable=True),
        sa.Column("checkout_url", sa.Text(), nullable=True),
        sa.Column("expires_at", MOMENT, nullable=True),
        sa.Column("provider_payment", sa.String(length=255), nullable=True),
        sa.Column("declined_at", MOMENT, nullable=True),
        sa.Column("closed_at", MOMENT, nullable=True),
        sa.Column("flag", sa.String(length=32), nullable=True),
        sa.Column("flag_detail", sa.Text(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("settled_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["invoice_pk"], ["invoices.pk"], name="fk_payments_invoice_pk"),
        sa.PrimaryKeyConstraint("pk", name="pk_payments"),
        sa.UniqueConstraint("idempotency_key", name="uq_payments_idempotency_key"),
        sa.UniqueConstraint("invoice_pk", "attempt", name="uq_payments_invoice_pk_attempt"),
        sa.UniqueConstraint("reference", name="uq_payments_reference"),
        sa.UniqueConstraint("session_id", name="uq_payments_session_id"),
    )
    op.create_index(
        "uq_payments_unsettled",
        "payments",
        ["invoice_pk"],
        unique=True,
        sqlite_where=UNSETTLED,
        postgresql_where=UNSETTLED,
    )
    op.create_index("ix_payments_provider_payment", "payments", ["provider_payment"], unique=False)

    op.create_table(
        "refunds",
        sa.Column("pk", ID, nullable=False),
        sa.Column("payment_pk", ID, nullable=True),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("reference", sa.String(length=64), nullable=False),
        sa.Column("request_key", sa.String(length=255), nullable=True),
        sa.Column("provider_refund", sa.String(length=255), nullable=True),
        sa.Column("provider_payment", sa.String(length=255), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("settled_at", MOMENT, nullable=True),
        sa.CheckConstraint("amount_minor > 0", name="ck_refunds_amount_is_positive"),
        sa.ForeignKeyConstraint(["payment_pk"], ["payments.pk"], name="fk_refunds_payment_pk"),
        sa.PrimaryKeyConstraint("pk", name="pk_refunds"),
        sa.UniqueConstraint("provider_refund", name="uq_refunds_provider_refund"),
        sa.UniqueConstraint("reference", name="uq_refunds_reference"),
    )
    op.create_index("ix_refunds_payment_pk", "refunds", ["payment_pk"], unique=False)
    op.create_index("ix_refunds_provider_payment", "refunds", ["provider_payment"], unique=False)


def downgrade() -> None:
    op.drop_table("refunds")
    op.drop_table("payments")
    op.drop_table("payment_events")
    op.drop_table("stored_answers")
    op.drop_table("invoice_happenings")
    op.drop_table("invoice_numbers")
    op.drop_table("invoices")
    op.drop_table("api_keys")
    op.drop_table("accounts")
