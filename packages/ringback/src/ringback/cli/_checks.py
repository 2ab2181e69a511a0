"""What the doctor looks at, one function for each."""

import sqlite3
import sys
import time
from typing import TYPE_CHECKING

from sqlalchemy import Connection, text

from ringback import _migrations
from ringback._errors import MigrationNeeded, RingbackError
from ringback._store import reports, sqlite
from ringback._store.reports import Queue
from ringback.cli import _security_checks
from ringback.cli._database import Open, shown
from ringback.cli._findings import Finding, note, ok, problem
from ringback.cli._output import count
from ringback.cli._times import span

if TYPE_CHECKING:
    from ringback._ringback import Ringback

__all__ = ["contracts", "database", "python", "queue", "refused", "sqlite_library"]

# The first patch of each line that cannot be made to write a mail header that nobody asked for.
_PYTHON_PATCHES = {(3, 11): 15, (3, 12): 13, (3, 13): 12}
_OLDEST_POSTGRESQL = 150_000
# The first SQLite that knows RETURNING.
_OLDEST_SQLITE = (3, 35, 0)
_CLOCK_NOTE, _CLOCK_PROBLEM = 2.0, 60.0
_LATE = 60.0


def python(version: tuple[int, ...] = tuple(sys.version_info[:3])) -> Finding:
    """The interpreter and what its version means."""
    name = "Python " + ".".join(map(str, version))
    patch = _PYTHON_PATCHES.get((version[0], version[1]))
    if patch is not None and version[2] < patch:
        return note(
            "Python",
            f"{name} lacks security fixes, that of its mail headers among them (CVE-2026-1299)",
            f"Upgrade to Python {version[0]}.{version[1]}.{patch} or newer.",
        )
    return ok("Python", name)


def sqlite_library(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> Finding:
    """The SQLite that this Python is linked with, and the journal mode that follows."""
    name = "SQLite " + ".".join(map(str, version))
    if version < _OLDEST_SQLITE:
        return problem(
            "SQLite",
            f"{name} does not understand the statements of Ringback (RETURNING)",
            "Use a Python that is linked with SQLite 3.35 or newer, best 3.51.3, or PostgreSQL.",
        )
    if sqlite.wal_is_sound(version):
        return ok("SQLite", f"{name} keeps every commit in WAL mode, so Ringback uses WAL")
    return note(
        "SQLite",
        f"{name} can lose commits in WAL mode, so Ringback uses a rollback journal: safe, but each commit "
        "costs more and readers wait for writers",
        "For speed use a Python that is linked with SQLite 3.51.3 or newer (3.50.7 and 3.44.6 will do), or "
        "PostgreSQL. On PostgreSQL this does not matter.",
    )


def refused(subject: str, error: RingbackError) -> Finding:
    """Something that could not even be looked at."""
    return problem(subject, str(error), "The rest was not looked at.")


def contracts(ringback: "Ringback") -> list[Finding]:
    """Whether every declared callback can be delivered as it is documented."""
    try:
        found = list(ringback.contracts())
    except RingbackError as error:
        return [problem("contracts", str(error), "Mend the declaration; the app does not start like this.")]
    if not found:
        return [
            note(
                "contracts",
                "the app declares no callback",
                "Pass callbacks=router.routes to an operation, or use channels alone.",
            )
        ]
    lines = [f"{one.operation}: {one.method} {one.template.published}" for one in found]
    return [
        ok("contracts", "\n".join([f"{count(len(found), 'callback')} can be delivered as declared", *lines]))
    ]


async def database(opened: Open) -> list[Finding]:
    """The server or file, its tables, its clock, and what waits in it."""
    try:
        findings = await opened.read(lambda c: [_server(c, opened), *_clock(c, opened), _tables(c)])
    except RingbackError as error:
        return [refused("database", error)]
    if any(finding.subject == "tables" and finding.level == "problem" for finding in findings):
        return findings
    seen = await opened.read(lambda c: reports.look_at_queue(c, opened.store.now(c)))
    signing = await opened.read(lambda c: _security_checks.signing_keys(c, opened.store.keys, opened))
    findings += [signing, *queue(seen), await opened.read(_endpoints)]
    if opened.ringback is not None:
        guards = opened.ringback.owner_guards
        findings.append(await opened.read(lambda c: _security_checks.refused_callbacks(c, guards)))
    return findings


def queue(seen: Queue) -> list[Finding]:
    """Whether what is owed moves."""
    states = ", ".join(f"{number:,} {state}" for state, number in sorted(seen.states.items()))
    findings = [ok("deliveries", states or "none yet")]
    if seen.lapsed:
        findings.append(
            note(
                "workers",
                f"{count(seen.lapsed, 'delivery')} of lost workers wait to be taken over by another",
            )
        )
    late = 0.0 if seen.oldest_due_at is None else seen.now - seen.oldest_due_at
    if late <= _LATE:
        waits = "nothing is due" if late <= 0 else f"the oldest due delivery has waited for {span(late)}"
        return [*findings, ok("due", waits)]
    text_ = f"the oldest due delivery has waited for {span(late)}"
    moving = seen.last_end_at is not None and seen.now - seen.last_end_at < _LATE
    if moving or seen.states.get("sending", 0) > seen.lapsed:
        remedy = "Workers do work: its destination takes less than is sent to it, or they are too few."
        return [*findings, note("due", text_, remedy)]
    remedy = 'Nothing delivers: start the app (worker="embedded") or `ringback worker module:app`.'
    return [*findings, problem("due", text_, remedy)]


def _server(connection: Connection, opened: Open) -> Finding:
    where = shown(opened.engine.url)
    if connection.dialect.name == "sqlite":
        return _sqlite_file(connection, opened, where)
    number = int(connection.scalar(text("SELECT current_setting('server_version_num')")) or 0)
    name = f"{where}, PostgreSQL {number // 10_000}.{number % 100}"
    if number < _OLDEST_POSTGRESQL:
        return problem(
            "database", f"{name} is older than what Ringback is tested with", "Upgrade it to 15 or newer."
        )
    if connection.scalar(text("SELECT pg_is_in_recovery()")):
        return problem("database", f"{name} is a read-only standby", "Name the primary server.")
    for setting in ("fsync", "synchronous_commit"):
        if connection.scalar(text("SELECT current_setting(:name)"), {"name": setting}) == "off":
            return note(
                "database",
                f"{name}, with {setting} off: a crash of the server can lose what was committed last",
                f"Set {setting} = on if every callback counts.",
            )
    return ok("database", name)


def _sqlite_file(connection: Connection, opened: Open, where: str) -> Finding:
    mode = str(connection.scalar(text("PRAGMA journal_mode"))).upper()
    name = f"{where}, journal mode {mode}"
    if mode == "WAL" and not sqlite.wal_is_sound():
        return problem(
            "database",
            f"{name}, in which this SQLite can lose commits",
            "Stop the processes that use it, then open it with Ringback alone: it goes back to TRUNCATE.",
        )
    if mode in ("OFF", "MEMORY"):
        return problem("database", f"{name}: a crash destroys the file", "Set no journal mode of your own.")
    if not sqlite.is_configured(opened.engine.sync_engine):
        return problem(
            "database",
            f"{name}; the app's engine was not set up for Ringback",
            "Call Ringback.configure_sqlite(engine) before its first connection.",
        )
    return ok("database", name)


def _clock(connection: Connection, opened: Open) -> list[Finding]:
    if connection.dialect.name == "sqlite":
        return []
    before = time.time()
    theirs = opened.store.now(connection)
    after = time.time()
    skew = theirs - (before + after) / 2
    apart = f"{span(abs(skew))} {'ahead of' if skew > 0 else 'behind'} this machine's"
    if abs(skew) <= _CLOCK_NOTE + (after - before):
        return [
            ok(
                "clock",
                f"the database's clock and this machine's agree (within {span(max(0.001, abs(skew)))})",
            )
        ]
    remedy = "Let both keep time by NTP: receivers refuse signatures whose time is 5 minutes off."
    make = problem if abs(skew) > _CLOCK_PROBLEM else note
    return [make("clock", f"the database's clock is {apart}", remedy)]


def _tables(connection: Connection) -> Finding:
    try:
        revision = _migrations.check(connection)
    except MigrationNeeded as error:
        return problem("tables", str(error), "What waits was not looked at.")
    newer = (
        "" if revision == _migrations.head() else ": a later version has been here, and this one can go on"
    )
    return ok("tables", f"at revision {revision}, as this version needs them{newer}")


def _endpoints(connection: Connection) -> Finding:
    found = reports.list_endpoints(connection)
    disabled = sum(one["disabled_at"] is not None for one in found)
    failing = sum(one["disabled_at"] is None and bool(one["failures"]) for one in found)
    if not disabled and not failing:
        return ok("endpoints", "none fails, none is disabled")
    text_ = f"{count(disabled, 'endpoint')} disabled, {failing} failing"
    return note("endpoints", text_, "Look with: ringback endpoints list")
