"""The service's own tables, brought up to date. Ringback's tables have their own revisions."""

from typing import Any, Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from invoices.operating import OperatorError

__all__ = ["VERSION_TABLE", "SchemaError", "check", "head", "is_ours", "upgrade"]

VERSION_TABLE: Final = "invoices_alembic_version"

# Any fixed number: it names this one lock among the advisory locks of a PostgreSQL database.
_LOCK: Final = 0x496E766F


class SchemaError(OperatorError):
    """The tables are not those of this version; the text says what to do."""


def upgrade(connection: Connection) -> None:
    """Run what is missing inside the caller's transaction; a second process waits and finds nothing to do."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    current = _current(connection)
    if not _is_enough(current):
        _check_known(current)
        command.upgrade(_config(connection), "head")


def check(connection: Connection) -> None:
    """Raise `SchemaError` unless this version can work with the tables as they are.

    They may be newer, within one series: while a service is upgraded, processes of the version before start
    and stop beside those of the next.
    """
    current = _current(connection)
    if not _is_enough(current):
        _check_known(current)
        raise SchemaError(
            f"The database's tables are at revision {current or 'none'}, and this version needs {head()}. "
            "Run `invoices migrate` once."
        )


def head() -> str:
    """The newest revision that this version knows."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    assert revision is not None
    return revision


def is_ours(entry: Any, name: str | None, kind: str, _reflected: bool, _compared: Any) -> bool:
    """Whether a table or index is the service's own, and not one of Ringback's in the same database."""
    table = name if kind == "table" else getattr(getattr(entry, "table", None), "name", "")
    return not (table or "").startswith("ringback_")


def _is_enough(current: str | None) -> bool:
    """Whether the tables are those of this version, or of a later one that has only added to them.

    The first digit of a revision is its series. Within a series migrations add tables, indexes, and columns
    that are nullable or have a default, and nothing else.
    """
    known = head()
    if current is None or not current.isdigit() or len(current) != len(known):
        return False
    return current >= known and current[0] == known[0]


def _check_known(current: str | None) -> None:
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if current is not None and current not in known:
        raise SchemaError(
            f"The database's tables are at revision {current}, which this version does not know: a newer "
            "version has been here. Upgrade this one."
        )


def _current(connection: Connection) -> str | None:
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    return context.get_current_revision()


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", "invoices:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
