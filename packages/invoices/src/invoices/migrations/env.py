"""What Alembic runs: revisions on the connection that the caller has handed over."""

from alembic import context

from invoices.migrations import VERSION_TABLE, is_ours
from invoices.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    include_object=is_ours,
    render_as_batch=True,
)

context.run_migrations()
