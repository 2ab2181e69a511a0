"""The tables. Times are seconds since 1970 (UTC) as the database's own clock tells them."""

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ColumnElement,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    literal_column,
    text,
)

from ringback._types import State

VERSION_TABLE: Final = "ringback_alembic_version"

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_Id = BigInteger().with_variant(Integer, "sqlite")

targets = Table(
    "ringback_targets",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("owner", String(255), nullable=False),
    Column("operation", String(255), nullable=False),
    Column("key", String(255), nullable=False),
    # {callback name: {"url": text or null, "endpoint": base URL, "contract": fingerprint}}
    Column("urls", JSON, nullable=False),
    Column("next_sequence", Integer, nullable=False, server_default="1"),
    Column("created_at", Float, nullable=False),
    UniqueConstraint("owner", "key", "operation"),
)

# What is delivered, as it was frozen when it was made. Nothing of it changes, and it is read once an attempt.
messages = Table(
    "ringback_messages",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("message_id", String(64), nullable=False, unique=True),
    Column("channel", String(32), nullable=False),
    Column("owner", String(255), nullable=False),
    # What is disabled and enabled as one: the base URL as it was given.
    Column("endpoint", String(2083), nullable=False),
    Column("target_id", BigInteger),
    Column("operation", String(255)),
    Column("callback", String(255)),
    # The fingerprint of what the receiver was promised.
    Column("contract", String(64)),
    # What operators should know of how it was made.
    Column("note", Text),
    Column("method", String(16), nullable=False),
    Column("url", String(2083), nullable=False),
    Column("headers", JSON, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("idempotency_key", String(255)),
    sqlite_autoincrement=True,
)

# How it stands. Each attempt writes such a row twice, so it is narrow, and few indexes know it.
deliveries = Table(
    "ringback_deliveries",
    metadata,
    # The message's.
    Column("id", _Id, primary_key=True, autoincrement=False),
    # What deliveries queue for side by side: scheme, host, port and owner, or the channel's own word.
    Column("destination", String(600), nullable=False),
    # The message's target once more, and the place among its deliveries; null where order does not matter.
    Column("target_id", BigInteger),
    Column("sequence", Integer),
    Column("state", String(9), nullable=False),
    Column("due_at", Float, nullable=False),
    Column("lease_until", Float),
    # The number of attempts begun. With the id it names an attempt, and so it is the fence.
    Column("attempts", Integer, nullable=False, server_default="0"),
    # Attempts of the present run of the schedule; a replay starts it anew.
    Column("step", SmallInteger, nullable=False, server_default="0"),
    # Leases that ran out, one after the other: a delivery that kills its workers is quarantined.
    Column("lapses", SmallInteger, nullable=False, server_default="0"),
    Column("trigger", String(9), nullable=False, server_default="schedule"),
    Column("status_code", SmallInteger),
    Column("verdict", Text),
    Column("breach", Text),
    Column("created_at", Float, nullable=False),
    Column("finished_at", Float),
)

attempts = Table(
    "ringback_attempts",
    metadata,
    Column("delivery_id", BigInteger, nullable=False),
    Column("number", Integer, nullable=False),
    Column("trigger", String(9), nullable=False),
    Column("worker", String(64), nullable=False),
    Column("started_at", Float, nullable=False),
    Column("duration", Float),
    # Null while the attempt runs.
    Column("outcome", String(9)),
    Column("status_code", SmallInteger),
    Column("verdict", Text),
    Column("breach", Text),
    Column("response", Text),
    PrimaryKeyConstraint("delivery_id", "number"),
)

endpoints = Table(
    "ringback_endpoints",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("owner", String(255), nullable=False),
    Column("url", String(2083), nullable=False),
    Column("failing_since", Float),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("last_success_at", Float),
    Column("disabled_at", Float),
    Column("disabled_reason", Text),
    UniqueConstraint("owner", "url"),
)

keys = Table(
    "ringback_keys",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("owner", String(255), nullable=False),
    # v1 or v1a, the signature that it makes.
    Column("kind", String(3), nullable=False),
    # The secret, encrypted, and the id of the master key that opens it.
    Column("sealed", LargeBinary, nullable=False),
    Column("master", String(16), nullable=False),
    # What people compare, and the id of a public key. Of that one where there is one, else of the secret.
    Column("fingerprint", String(12), nullable=False),
    Column("public_key", String(64)),
    # Set when a newer key has taken over: until then both sign.
    Column("retires_at", Float),
    Column("created_at", Float, nullable=False),
)

# What each contract was: targets and deliveries name it by its fingerprint, and outlive changes of the app.
contracts = Table(
    "ringback_contracts",
    metadata,
    Column("fingerprint", String(64), primary_key=True),
    Column("operation", String(255), nullable=False),
    Column("callback", String(255), nullable=False),
    Column("shape", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
)


# Every delivery with what it delivers.
with_messages: Final = deliveries.join(messages, deliveries.c.id == messages.c.id)

OPEN_STATES: Final = (State.PENDING, State.WAITING, State.SENDING)


def in_state(column: ColumnElement[str], *states: State) -> ColumnElement[bool]:
    """A condition on the state, written out: a partial index serves only what it can read in the text."""
    words = [literal_column(f"'{state.value}'", String()) for state in states]
    return column == words[0] if len(words) == 1 else column.in_(words)


def _partial(name: str, *columns: Column[object], where: str, unique: bool = False) -> Index:
    condition = text(where)
    return Index(name, *columns, unique=unique, sqlite_where=condition, postgresql_where=condition)


_d = deliveries.c
_partial("ix_ringback_deliveries_due", _d.destination, _d.due_at, where="state = 'pending'")
_partial("ix_ringback_deliveries_lease", _d.lease_until, where="state = 'sending'")
_partial(
    "ix_ringback_deliveries_open",
    _d.target_id,
    _d.sequence,
    where="sequence IS NOT NULL AND finished_at IS NULL",
)
_partial("ix_ringback_deliveries_finished", _d.finished_at, where="finished_at IS NOT NULL")
# Usually empty: what asks for the next one behind a delivery that has ended finds nothing at once.
_partial("ix_ringback_deliveries_waiting", _d.target_id, _d.sequence, where="state = 'waiting'")
_m = messages.c
Index("ix_ringback_messages_target", _m.target_id)
_partial(
    "uq_ringback_messages_target_key",
    _m.target_id,
    _m.idempotency_key,
    where="idempotency_key IS NOT NULL AND target_id IS NOT NULL",
    unique=True,
)
_partial(
    "uq_ringback_messages_channel_key",
    _m.owner,
    _m.idempotency_key,
    _m.channel,
    where="idempotency_key IS NOT NULL AND target_id IS NULL",
    unique=True,
)
_partial("uq_ringback_keys_current", keys.c.owner, keys.c.kind, where="retires_at IS NULL", unique=True)
