"""Alembic's entry: runs on the connection that `ringback._migrations` hands over."""

from alembic import context

from ringback._store.tables import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    include_name=lambda name, type_, _parents: type_ != "table" or str(name).startswith("ringback_"),
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
