"""A pytest plugin: after the tests, no database and no log holds a secret that they made, in any usual form.

Secrets are learnt where they are made, by wrapping the functions that make them; the product knows nothing of
it. Databases are searched before they go: a SQLite file, freed pages included, when its folder is about to be
removed, a PostgreSQL database when it is dropped, either when it is emptied. Log records are searched as they
are written, and log files with the folders that they are in. What is found fails the run.

Left out are mails that were sent, files of their own (``.eml``): the link to a page is what they are for.
Page tokens in ``sandbox.db``, where the payment provider's stand-in keeps the way back that it was told. And
what the tests' own HTTP clients log.
"""

import base64
import functools
import logging
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from ringback import _sealing, _signing

__all__ = ["Scan", "scan"]

WINDOW = 24
PAGE_TOKEN = "a page token"  # noqa: S105 - its name
_RUN = re.compile(rb"[A-Za-z0-9+/_-]{%d,}" % WINDOW)
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
_TEXT_PREFIX = re.compile(r"(?:whsec|whsk|inv_[0-9a-z]{8})_")

_FIGURES = ("secrets", "databases", "log_records", "seconds")
_OUTPUT = "secret_scan"

_PROVIDERS_OWN = "sandbox.db"
"""The payment sandbox's books: like Stripe, it is given the link to which customers return."""

_CUSTOMERS_OWN = ("httpx", "httpcore")
"""The tests' own client, which opens customers' links as their browsers do."""


@dataclass
class Scan:
    """What is looked for, where was looked, and what was found."""

    secrets: int = 0
    databases: int = 0
    log_records: int = 0
    seconds: float = 0.0
    found: dict[str, list[str]] = field(default_factory=dict)
    _files: set[Path] = field(default_factory=set)
    _known: set[str] = field(default_factory=set)
    _windows: dict[bytes, str] = field(default_factory=dict)

    def learn(self, secret: str, name: str) -> None:
        """Look for `secret` from now on: as it is, in hex and in base64, and its bytes in these forms too."""
        if secret in self._known:
            return
        self._known.add(secret)
        self.secrets += 1
        for form in _forms(secret):
            self._windows[form[:WINDOW]] = name

    def search(self, data: bytes, place: str, *, but: str = "") -> None:
        """Note every secret in `data`, except those of the name `but`."""
        for match in _RUN.finditer(data):
            run = match.group()
            for start in range(len(run) - WINDOW + 1):
                name = self._windows.get(run[start : start + WINDOW])
                if name is not None and name != but:
                    places = self.found.setdefault(name, [])
                    if place not in places:
                        places.append(place)

    def timed(self, work: Callable[[], None]) -> None:
        """Do a piece of the search and count its time."""
        started = time.perf_counter()
        work()
        self.seconds += time.perf_counter() - started

    def search_folder(self, folder: Path, test: str) -> None:
        """Search the databases and the log files below a folder."""
        for path in folder.rglob("*"):
            if path.suffix in (".db", ".db-wal", ".db-journal", ".log") and path.is_file():
                if path in self._files or path.name.startswith(_PROVIDERS_OWN):
                    continue
                self._files.add(path)
                but = PAGE_TOKEN if path.name.startswith("sandbox.db") else ""
                self.search(path.read_bytes(), f"{path.name} of {test}", but=but)
                self.databases += path.suffix == ".db"

    def search_database(self, url: str) -> None:
        """Search a database that is about to be dropped or emptied."""
        named = make_url(url)
        self.databases += 1
        if named.get_backend_name() == "sqlite":
            self.search(Path(named.database or "").read_bytes(), f"a database of {_test()}")
            return
        address = named.set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(address, options="-c bytea_output=escape") as connection:
            tables = connection.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
            ).fetchall()
            one = sql.SQL("SELECT row::text FROM {} AS row")
            parts = [one.format(sql.Identifier(name)) for (name,) in tables]
            if parts:
                rows = connection.execute(sql.SQL(" UNION ALL ").join(parts)).fetchall()
                self.search("\n".join(text for (text,) in rows).encode(), f"a database of {_test()}")

    def told(self) -> dict[str, Any]:
        """What was found and where was looked, for another process."""
        return {name: getattr(self, name) for name in _FIGURES} | {"found": self.found}

    def add(self, told: dict[str, Any]) -> None:
        """Take in what another process tells."""
        for name in _FIGURES:
            setattr(self, name, getattr(self, name) + told[name])
        for name, places in told["found"].items():
            self.found.setdefault(name, []).extend(places)


scan = Scan()
"""The one of this run."""


def _forms(secret: str) -> Iterator[bytes]:
    core = _TEXT_PREFIX.sub("", secret)
    plain = core.encode()
    values = [plain]
    with suppress(ValueError):
        values.append(base64.urlsafe_b64decode(core.replace("+", "-").replace("/", "_") + "=="))
    yield plain
    for value in values:
        yield value.hex().encode()
        yield value.hex().upper().encode()
        for shift, cut in ((0, 0), (1, 2), (2, 3)):  # where the secret begins inside of what is encoded
            encoded = base64.b64encode(bytes(shift) + value)[cut : -4 or None]
            yield encoded
            yield encoded.translate(bytes.maketrans(b"+/", b"-_"))


def _test() -> str:
    return os.environ.get("PYTEST_CURRENT_TEST", "the run").partition(" (")[0]


# --- where secrets are made ---------------------------------------------------------------------------------


def _wrap(module: Any, function: str, name: str, secret_of: Callable[[Any], str]) -> None:
    original = getattr(module, function)
    if hasattr(original, "__wrapped__"):
        return

    @functools.wraps(original)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        made = original(*args, **kwargs)
        scan.learn(secret_of(made), name)
        return made

    setattr(module, function, wrapped)


# Before anybody imports these names from there.
_wrap(_signing, "new_secret", "a signing secret", str)
_wrap(_signing, "new_key_pair", "a private signing key", lambda pair: str(pair[0]))
_wrap(_sealing, "new_master_key", "a master key", str)


@pytest.hookimpl
def pytest_collection_finish() -> None:
    """The service's secrets, if its tests run: loading it only for this would slow the library's tests."""
    modules = sys.modules
    if keys := modules.get("invoices.accounts.keys"):
        _wrap(keys, "new_key", "an API key", lambda key: str(key.text))
    if links := modules.get("invoices.invoices.links"):
        _wrap(links, "token_of", PAGE_TOKEN, str)


# --- when things are searched -------------------------------------------------------------------------------


class _LogSearch(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith(_CUSTOMERS_OWN):
            return
        scan.log_records += 1
        text = self.format(record).encode(errors="replace")
        scan.timed(lambda: scan.search(text, f"the log of {_test()}: {record.name}"))


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: Any, request: Any) -> Iterator[None]:
    """Search a test's folder when all that used it has ended, just before it is removed."""
    value = yield
    if fixturedef.argname == "tmp_path":
        test, folder = request.node.nodeid, fixturedef.cached_result[0]
        fixturedef.addfinalizer(lambda: scan.timed(lambda: scan.search_folder(folder, test)))
    return value


@pytest.fixture(scope="session", autouse=True)
def _search_the_rest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Folders that outlive their test, and PostgreSQL databases where they are dropped; logs throughout."""
    from testkit.postgresql import Server

    drop = Server.drop_database

    def search_and_drop(server: Server, url: str) -> None:
        scan.timed(lambda: scan.search_database(url))
        drop(server, url)

    handler = _LogSearch()
    handler.addFilter(lambda record: not record.name.startswith(("httpx", "httpcore")))
    root, loggers = logging.getLogger(), [logging.getLogger(name) for name in ("ringback", "invoices")]
    root.addHandler(handler)
    for logger in loggers:
        logger.setLevel(logging.INFO)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Server, "drop_database", search_and_drop)
        yield
    root.removeHandler(handler)
    scan.timed(lambda: scan.search_folder(tmp_path_factory.getbasetemp(), "several tests"))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Where tests run in several processes, each of them tells this one what it has found."""
    told = getattr(node, "workeroutput", {}).get(_OUTPUT)
    if told is not None:
        scan.add(told)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A run that leaves a secret behind has failed."""
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output[_OUTPUT] = scan.told()
    if scan.found and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say what was searched, and what was found where."""
    if scan.databases or scan.log_records or scan.found:
        verdict = "" if scan.found else ": nothing found"
        terminalreporter.write_line(
            f"secret scan: {scan.secrets} secrets, {scan.databases} databases, "
            f"{scan.log_records} log records, {scan.seconds:.1f} s{verdict}"
        )
    for name, places in scan.found.items():
        for place in places:
            terminalreporter.write_line(f"LEAKED {name} stands in {place}", red=True)
