"""The outbox: targets, messages, deliveries, attempts, endpoints, keys."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ringback_attempts",
        sa.Column("delivery_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("trigger", sa.String(length=9), nullable=False),
        sa.Column("worker", sa.String(length=64), nullable=False),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.Column("duration", sa.Float(), nullable=True),
        sa.Column("outcome", sa.String(length=9), nullable=True),
        sa.Column("status_code", sa.SmallInteger(), nullable=True),
        sa.Column("verdict", sa.Text(), nullable=True),
        sa.Column("breach", sa.Text(), nullable=True),
        sa.Column("response", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("delivery_id", "number", name=op.f("pk_ringback_attempts")),
    )
    op.create_table(
        "ringback_contracts",
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("operation", sa.String(length=255), nullable=False),
        sa.Column("callback", sa.String(length=255), nullable=False),
        sa.Column("shape", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_ringback_contracts")),
    )
    op.create_table(
        "ringback_deliveries",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("destination", sa.String(length=600), nullable=False),
        sa.Column("target_id", sa.BigInteger(), nullable=True),
        sa.Column("sequence", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(length=9), nullable=False),
        sa.Column("due_at", sa.Float(), nullable=False),
        sa.Column("lease_until", sa.Float(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("step", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("lapses", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("trigger", sa.String(length=9), server_default="schedule", nullable=False),
        sa.Column("status_code", sa.SmallInteger(), nullable=True),
        sa.Column("verdict", sa.Text(), nullable=True),
        sa.Column("breach", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("finished_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ringback_deliveries")),
    )
    op.create_index(
        "ix_ringback_deliveries_due",
        "ringback_deliveries",
        ["destination", "due_at"],
        unique=False,
        sqlite_where=sa.text("state = 'pending'"),
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index(
        "ix_ringback_deliveries_finished",
        "ringback_deliveries",
        ["finished_at"],
        unique=False,
        sqlite_where=sa.text("finished_at IS NOT NULL"),
        postgresql_where=sa.text("finished_at IS NOT NULL"),
    )
    op.create_index(
        "ix_ringback_deliveries_lease",
        "ringback_deliveries",
        ["lease_until"],
        unique=False,
        sqlite_where=sa.text("state = 'sending'"),
        postgresql_where=sa.text("state = 'sending'"),
    )
    op.create_index(
        "ix_ringback_deliveries_open",
        "ringback_deliveries",
        ["target_id", "sequence"],
        unique=False,
        sqlite_where=sa.text("sequence IS NOT NULL AND finished_at IS NULL"),
        postgresql_where=sa.text("sequence IS NOT NULL AND finished_at IS NULL"),
    )
    op.create_index(
        "ix_ringback_deliveries_waiting",
        "ringback_deliveries",
        ["target_id", "sequence"],
        unique=False,
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_table(
        "ringback_endpoints",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("owner", sa.String(length=255), nullable=False),
        sa.Column("url", sa.String(length=2083), nullable=False),
        sa.Column("failing_since", sa.Float(), nullable=True),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_success_at", sa.Float(), nullable=True),
        sa.Column("disabled_at", sa.Float(), nullable=True),
        sa.Column("disabled_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ringback_endpoints")),
        sa.UniqueConstraint("owner", "url", name=op.f("uq_ringback_endpoints_owner")),
    )
    op.create_table(
        "ringback_keys",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("owner", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=3), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("master", sa.String(length=16), nullable=False),
        sa.Column("fingerprint", sa.String(length=12), nullable=False),
        sa.Column("public_key", sa.String(length=64), nullable=True),
        sa.Column("retires_at", sa.Float(), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ringback_keys")),
    )
    op.create_index(
        "uq_ringback_keys_current",
        "ringback_keys",
        ["owner", "kind"],
        unique=True,
        sqlite_where=sa.text("retires_at IS NULL"),
        postgresql_where=sa.text("retires_at IS NULL"),
    )
    op.create_table(
        "ringback_messages",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("message_id", sa.String(length=64), nullable=False),
        sa.Column("channel", sa.String(length=32), nullable=False),
        sa.Column("owner", sa.String(length=255), nullable=False),
        sa.Column("endpoint", sa.String(length=2083), nullable=False),
        sa.Column("target_id", sa.BigInteger(), nullable=True),
        sa.Column("operation", sa.String(length=255), nullable=True),
        sa.Column("callback", sa.String(length=255), nullable=True),
        sa.Column("contract", sa.String(length=64), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("method", sa.String(length=16), nullable=False),
        sa.Column("url", sa.String(length=2083), nullable=False),
        sa.Column("headers", sa.JSON(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("idempotency_key", sa.String(length=255), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ringback_messages")),
        sa.UniqueConstraint("message_id", name=op.f("uq_ringback_messages_message_id")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_ringback_messages_target", "ringback_messages", ["target_id"], unique=False)
    op.create_index(
        "uq_ringback_messages_channel_key",
        "ringback_messages",
        ["owner", "idempotency_key", "channel"],
        unique=True,
        sqlite_where=sa.text("idempotency_key IS NOT NULL AND target_id IS NULL"),
        postgresql_where=sa.text("idempotency_key IS NOT NULL AND target_id IS NULL"),
    )
    op.create_index(
        "uq_ringback_messages_target_key",
        "ringback_messages",
        ["target_id", "idempotency_key"],
        unique=True,
        sqlite_where=sa.text("idempotency_key IS NOT NULL AND target_id IS NOT NULL"),
        postgresql_where=sa.text("idempotency_key IS NOT NULL AND target_id IS NOT NULL"),
    )
    op.create_table(
        "ringback_targets",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("owner", sa.String(length=255), nullable=False),
        sa.Column("operation", sa.String(length=255), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("urls", sa.JSON(), nullable=False),
        sa.Column("next_sequence", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ringback_targets")),
        sa.UniqueConstraint("owner", "key", "operation", name=op.f("uq_ringback_targets_owner")),
    )


def downgrade() -> None:
    op.drop_table("ringback_targets")
    op.drop_index(
        "uq_ringback_messages_target_key",
        table_name="ringback_messages",
        sqlite_where=sa.text("idempotency_key IS NOT NULL AND target_id IS NOT NULL"),
        postgresql_where=sa.text("idempotency_key IS NOT NULL AND target_id IS NOT NULL"),
    )
    op.drop_index(
        "uq_ringback_messages_channel_key",
        table_name="ringback_messages",
        sqlite_where=sa.text("idempotency_key IS NOT NULL AND target_id IS NULL"),
        postgresql_where=sa.text("idempotency_key IS NOT NULL AND target_id IS NULL"),
    )
    op.drop_index("ix_ringback_messages_target", table_name="ringback_messages")
    op.drop_table("ringback_messages")
    op.drop_index(
        "uq_ringback_keys_current",
        table_name="ringback_keys",
        sqlite_where=sa.text("retires_at IS NULL"),
        postgresql_where=sa.text("retires_at IS NULL"),
    )
    op.drop_table("ringback_keys")
    op.drop_table("ringback_endpoints")
    op.drop_index(
        "ix_ringback_deliveries_waiting",
        table_name="ringback_deliveries",
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.drop_index(
        "ix_ringback_deliveries_open",
        table_name="ringback_deliveries",
        sqlite_where=sa.text("sequence IS NOT NULL AND finished_at IS NULL"),
        postgresql_where=sa.text("sequence IS NOT NULL AND finished_at IS NULL"),
    )
    op.drop_index(
        "ix_ringback_deliveries_lease",
        table_name="ringback_deliveries",
        sqlite_where=sa.text("state = 'sending'"),
        postgresql_where=sa.text("state = 'sending'"),
    )
    op.drop_index(
        "ix_ringback_deliveries_finished",
        table_name="ringback_deliveries",
        sqlite_where=sa.text("finished_at IS NOT NULL"),
        postgresql_where=sa.text("finished_at IS NOT NULL"),
    )
    op.drop_index(
        "ix_ringback_deliveries_due",
        table_name="ringback_deliveries",
        sqlite_where=sa.text("state = 'pending'"),
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.drop_table("ringback_deliveries")
    op.drop_table("ringback_contracts")
    op.drop_table("ringback_attempts")
