"""Bring the tables up to date, one process at a time, and say so when they are not."""

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from ringback._errors import MigrationNeeded
from ringback._store.tables import VERSION_TABLE

# Any fixed number: it names this one lock among the advisory locks of a PostgreSQL database.
_LOCK = 0x52696E67


def upgrade(connection: Connection) -> tuple[str | None, str]:
    """Run what is missing inside the caller's transaction; returns the revision before and after.

    A second process waits for the first and then finds nothing to do.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    before = _current(connection)
    if before is not None and _is_newer_alike(before):
        return before, before
    if before != head():
        _check_known(before)
        command.upgrade(_config(connection), "head")
    return before, head()


def check(connection: Connection) -> str:
    """The tables' revision; raises `MigrationNeeded` unless this version can work with them as they are.

    They may be newer, within one series: while a fleet is upgraded, processes of the version before start
    and stop beside those of the next.
    """
    current = _current(connection)
    if current is not None and (current == head() or _is_newer_alike(current)):
        return current
    _check_known(current)
    raise MigrationNeeded(
        f"The database's Ringback tables are at revision {current or 'none'}, and this version needs "
        f"{head()}. Run `ringback migrate module:app` (or `await ringback.migrate()`) once."
    )


def head() -> str:
    """The newest revision that this version knows."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    assert revision is not None
    return revision


def _is_newer_alike(current: str) -> bool:
    """Whether a later version has only added to the tables what this one need not know.

    The first digit of a revision is its series. Within a series migrations add tables, indexes, and columns
    that are nullable or have a default, and nothing else.
    """
    known, series = head(), head()[0]
    return current.isdigit() and len(current) == len(known) and current[0] == series and current > known


def _check_known(current: str | None) -> None:
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if current is not None and current not in known:
        raise MigrationNeeded(
            f"The database's Ringback tables are at revision {current}, which this version does not know: "
            "a newer Ringback has been here. Upgrade the ringback package of this process."
        )


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(
        connection, opts={"version_table": VERSION_TABLE}
    ).get_current_revision()


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", "ringback:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
