"""The scan finds a secret that was left behind, in each form and at each place, and fails the run for it."""

import base64
import os
import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from testkit.postgresql import Server
from testkit.secret_scan import Scan

from ringback._signing import new_key_pair, new_secret

ROOT = Path(__file__).resolve().parents[2]

SUITE = """
import base64
import itertools
import logging
import sqlite3

import pytest

from ringback import _sealing, _signing


FORMS = itertools.cycle([
    lambda secret: f"x {secret} x",
    lambda secret: secret.rpartition("_")[2].encode().hex(),
    lambda secret: base64.b64encode(f"a: {secret}".encode()).decode(),
])


def disguised(secret):
    return next(FORMS)(secret)


def shortened(secret):
    return secret[:14]


@pytest.fixture
def database(tmp_path):
    connection = sqlite3.connect(tmp_path / "app.db")
    connection.execute("CREATE TABLE notes (text)")
    yield connection
    connection.commit()
    connection.close()


def test_clean(database):
    database.execute("INSERT INTO notes VALUES (?)", (_signing.new_secret()[:14],))
    logging.getLogger("ringback").info("nothing to see")


def test_deleted(database):
    database.execute("PRAGMA secure_delete = OFF")
    database.execute("INSERT INTO notes VALUES (?)", (PLANT(_signing.new_secret()),))
    database.commit()
    database.execute("DELETE FROM notes")


def test_logged():
    logging.getLogger("ringback.worker").info("made %s", PLANT(_sealing.new_master_key()))


def test_left_in_a_log_file(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "worker.log").write_text(PLANT(_signing.new_key_pair()[0]))


def test_on_a_server(postgresql_server):
    import psycopg
    from sqlalchemy import make_url

    url = postgresql_server.create_database()
    address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address) as connection:
        connection.execute("CREATE TABLE notes (body bytea)")
        connection.execute("INSERT INTO notes VALUES (%s)", (PLANT(_signing.new_secret()).encode(),))
    postgresql_server.drop_database(url)
"""

CONFTEST = """
import pytest
from testkit.postgresql import running_server

pytest_plugins = ["testkit.secret_scan"]


@pytest.fixture(scope="session")
def postgresql_server():
    with running_server() as server:
        yield server
"""

PLACES = {
    "a signing secret": {
        "app.db of test_suite.py::test_deleted",
        "a database of test_suite.py::test_on_a_server",
    },
    "a master key": {"the log of test_suite.py::test_logged: ringback.worker"},
    "a private signing key": {"worker.log of test_suite.py::test_left_in_a_log_file"},
}


Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(tmp_path: Path, postgresql_server: Server) -> Run:
    """Runs the small suite, given what becomes of a secret before it is left behind; exit code and output."""
    return partial(_run, tmp_path, postgresql_server.url.render_as_string(hide_password=False))


def _run(folder: Path, server: str, plant: str, *options: str) -> tuple[int, str]:
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_suite.py").write_text(SUITE.replace("PLANT", plant))
    (folder / "pytest.ini").write_text("[pytest]\n")
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, str(folder)],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "TEST_DATABASE_URL": server,
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert "5 passed" in ran.stdout, ran.stdout + ran.stderr
    return ran.returncode, ran.stdout


def test_planted_secrets_fail_the_run_and_are_named_with_their_places(run: Run) -> None:
    code, told = run("disguised")
    assert code == 1
    found: dict[str, set[str]] = {}
    for name, place in re.findall(r"LEAKED (.*) stands in (.*)", told):
        found.setdefault(name, set()).add(place)
    assert found == PLACES


def test_what_several_processes_find_fails_the_run_too(run: Run) -> None:
    code, told = run("disguised", "-p", "xdist", "-n", "2")
    assert code == 1
    assert {name for name, _ in re.findall(r"LEAKED (.*) stands in (.*)", told)} == PLACES.keys()


def test_a_clean_run_passes_and_says_what_was_searched(run: Run) -> None:
    code, told = run("shortened")
    assert code == 0
    assert re.search(r"secret scan: 5 secrets, 3 databases, [1-9]\d* log records, .*: nothing found", told)


@pytest.mark.parametrize(
    "secret",
    [new_secret(), new_key_pair()[0], "inv_abcdefgh_" + "Zz9-_" * 8 + "abc"],
    ids=["shared", "private", "API key"],
)
def test_every_usual_form_of_a_secret_is_known(secret: str) -> None:
    core = secret.partition("_")[2].removeprefix("abcdefgh_")
    raw = base64.urlsafe_b64decode(core.replace("+", "-").replace("/", "_") + "==")
    forms = [
        core,
        secret,
        f"https://host/{core}",
        core.encode().hex(),
        core.encode().hex().upper(),
        raw.hex(),
    ]
    for before in ("", "x", "xy", "xyz"):
        forms += [
            base64.b64encode(before.encode() + part).decode()
            for part in (core.encode(), secret.encode(), raw)
        ]
        forms += [base64.urlsafe_b64encode(before.encode() + part).decode() for part in (core.encode(), raw)]
    for form in forms:
        scan = Scan()
        scan.learn(secret, "it")
        scan.search(f"before {form} after".encode(), "here")
        assert scan.found == {"it": ["here"]}, form


def test_what_is_no_secret_is_not_found() -> None:
    scan = Scan()
    scan.learn(new_secret(), "it")
    for other in (new_secret(), "A" * 1000, "whsec_", "0123456789abcdef" * 9):
        scan.search(other.encode(), "here")
    assert scan.found == {}
