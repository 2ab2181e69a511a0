import re
import sqlite3
import sys
import time
from contextlib import closing
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url, update

from ringback._database import engine_for
from ringback._guard import Guard, NetworkPolicy
from ringback._master_keys import MasterKeyFinder
from ringback._store import sqlite
from ringback._store.reports import Queue
from ringback._store.store import Store
from ringback._store.tables import deliveries
from ringback._types import State
from ringback.cli import _checks
from ringback.cli._database import Open
from ringback.cli._url_verdict import explain

Run = Any
Books = Any


def levels(ran: Any) -> dict[str, str]:
    return {finding["subject"]: finding["level"] for finding in ran.json["findings"]}


# --- the whole ---------------------------------------------------------------------------------------------


def test_a_sound_app_gets_a_clean_bill(run: Run, shop: Books) -> None:
    shop.ended(State.DELIVERED)
    ran = run("doctor", "shop:app")
    assert ran.code == 0
    for words in (
        "1 callback can be delivered as declared",
        "create_invoice: POST {$request.query.callback_url}/invoices/{$request.body#/id}",
        "at revision",
        "1 delivered",
        "nothing is due",
        "none fails, none is disabled",
    ):
        assert words in ran.words
    assert "problem" not in levels(run("doctor", "shop:app", "--json")).values()


def test_it_names_the_server_and_compares_the_clocks(run: Run, postgresql_url: str) -> None:
    run("migrate", "--database", postgresql_url)
    ran = run("doctor", "--database", postgresql_url)
    assert re.search(r"PostgreSQL 1[5-9]\.\d+", ran.out)
    assert "fsync off" in ran.out, "the tests' server is set up to forget"
    assert "the database's clock and this machine's agree" in ran.out


def test_it_says_which_journal_a_sqlite_file_has_and_why(run: Run, sqlite_books: Books) -> None:
    out = run("doctor", "--database", sqlite_books.url).out
    assert f"journal mode {'WAL' if sqlite.wal_is_sound() else 'TRUNCATE'}" in out


def test_missing_tables_are_a_problem(run: Run, postgresql_url: str) -> None:
    ran = run("doctor", "--database", postgresql_url)
    assert ran.code == 1
    assert "✗ problem tables" in ran.words
    assert "ringback migrate" in ran.out


@pytest.mark.parametrize("url", ["postgresql://127.0.0.1:1/x", "sqlite:///nosuch.db"])
def test_a_database_that_is_not_there_is_a_finding_and_the_rest_is_still_told(run: Run, url: str) -> None:
    ran = run("doctor", "--database", url, "--json")
    assert ran.code == 1
    assert ran.json["ok"] is False
    assert levels(ran)["database"] == "problem"
    assert {"Python", "SQLite"} <= levels(ran).keys()


@pytest.fixture
def unconfigured_shop(sqlite_shop: Books) -> Books:
    """An app whose engine is used as it is."""
    Path("unconfigured.py").write_text(
        "import warnings\n"
        "from fastapi import FastAPI\n"
        "from sqlalchemy.ext.asyncio import create_async_engine\n"
        "from ringback import Ringback\n"
        "app = FastAPI()\n"
        "with warnings.catch_warnings():\n"
        "    warnings.simplefilter('ignore')\n"
        f"    Ringback(app, database=create_async_engine({sqlite_shop.url!r}))\n"
    )
    sys.modules.pop("unconfigured", None)
    return sqlite_shop


@pytest.mark.usefixtures("unconfigured_shop")
def test_an_engine_that_was_not_set_up_for_ringback_is_a_problem(run: Run) -> None:
    ran = run("doctor", "unconfigured:app")
    assert ran.code == 1
    assert "Call Ringback.configure_sqlite(engine)" in ran.out


def test_a_wal_file_is_a_problem_where_wal_loses_commits(run: Run, unconfigured_shop: Books) -> None:
    with closing(sqlite3.connect(make_url(unconfigured_shop.url).database or "")) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    ran = run("doctor", "unconfigured:app")
    assert ran.code == 1
    assert "journal mode WAL" in ran.out
    says = "was not set up for Ringback" if sqlite.wal_is_sound() else "in which this SQLite can lose commits"
    assert says in ran.out


@pytest.mark.parametrize(
    ("ahead", "level", "says"),
    [
        (0.0, "ok", "agree"),
        (10.0, "note", "ahead of this machine's"),
        (-400.0, "problem", "6 min 40 s behind"),
    ],
)
def test_clocks_that_differ(postgresql_url: str, ahead: float, level: str, says: str) -> None:
    engine = engine_for(postgresql_url)
    master_keys = MasterKeyFinder(None, engine.url)
    store = Store("postgresql", master_keys=master_keys, clock=lambda: time.time() + ahead)
    opened = Open(engine, store, None, master_keys)
    findings = opened.run(_checks.database)
    [clock] = [finding for finding in findings if finding.subject == "clock"]
    assert clock.level == level
    assert says in clock.text


def test_what_waits_too_long_while_nothing_moves_is_a_problem(run: Run, books: Books) -> None:
    books.owe()
    ago = update(deliveries).values(due_at=deliveries.c.due_at - 600.0)
    books.do(lambda c, _: c.execute(ago))
    ran = run("doctor", "--database", books.url)
    assert ran.code == 1
    assert re.search(r"✗ problem due the oldest due delivery has waited for 10 min", ran.words)
    assert "Nothing delivers: start the app" in ran.words


def test_failing_and_disabled_endpoints_are_noted(run: Run, books: Books) -> None:
    books.attempt(books.owe(), state=State.PENDING, counts=-1)
    run("endpoints", "disable", "https://other.example/in", "--database", books.url)
    ran = run("doctor", "--database", books.url)
    assert "! note endpoints 1 endpoint disabled, 1 failing" in ran.words


# --- single checks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "level"),
    [
        ((3, 11, 7), "note"),
        ((3, 11, 15), "ok"),
        ((3, 12, 12), "note"),
        ((3, 13, 12), "ok"),
        ((3, 14, 0), "ok"),
    ],
)
def test_a_python_without_its_security_fixes_is_noted(version: tuple[int, ...], level: str) -> None:
    assert _checks.python(version).level == level


@pytest.mark.parametrize(
    ("version", "level"), [((3, 40, 1), "note"), ((3, 51, 2), "note"), ((3, 51, 3), "ok"), ((3, 44, 6), "ok")]
)
def test_a_sqlite_that_loses_commits_in_wal_mode_is_noted(version: tuple[int, ...], level: str) -> None:
    assert _checks.sqlite_library(version).level == level


def queue(**changes: Any) -> dict[str, str]:
    values: dict[str, Any] = {
        "now": 1000.0,
        "states": {"pending": 5},
        "oldest_due_at": None,
        "lapsed": 0,
        "last_end_at": None,
    }
    return {finding.subject: finding.level for finding in _checks.queue(Queue(**(values | changes)))}


def test_whether_what_is_owed_moves() -> None:
    assert queue()["due"] == "ok"
    assert queue(oldest_due_at=2000.0)["due"] == "ok"
    assert queue(oldest_due_at=950.0)["due"] == "ok"
    assert queue(oldest_due_at=900.0)["due"] == "problem"
    assert queue(oldest_due_at=900.0, last_end_at=990.0)["due"] == "note"
    assert queue(oldest_due_at=900.0, states={"sending": 1})["due"] == "note"
    assert queue(oldest_due_at=900.0, states={"sending": 1}, lapsed=1) == {
        "deliveries": "ok",
        "workers": "note",
        "due": "problem",
    }


# --- --url -------------------------------------------------------------------------------------------------


def subjects(ran: Any) -> list[str]:
    return [finding["subject"] for finding in ran.json["findings"]]


@pytest.mark.parametrize(
    ("url", "step", "says"),
    [
        ("https://user@api.example/x", "grammar", "remove everything before the @"),
        ("ftp://api.example/x", "grammar", "must start with http"),
        ("http://10.1.2.3/x", "address", "private, RFC 1918"),
        ("http://[::1]/x", "address", "loopback"),
        ("http://169.254.169.254/latest", "address", "metadata"),
        ("http://8.8.8.8:22/x", "address", "port 22"),
        ("http://intranet/x", "host", "inside networks"),
        ("http://metadata.google.internal/x", "host", "metadata"),
    ],
)
def test_a_url_that_is_refused_is_refused_at_its_step(run: Run, url: str, step: str, says: str) -> None:
    ran = run("doctor", "--url", url, "--json")
    assert ran.code == 1
    last = ran.json["findings"][-1]
    assert (last["subject"], last["level"]) == (step, "problem")
    assert says in last["text"]


def test_a_public_address_passes_every_step(run: Run) -> None:
    ran = run("doctor", "--url", "https://8.8.8.8/x", "--json")
    assert (ran.code, ran.json["ok"]) == (0, True)
    assert subjects(ran) == ["grammar", "policy", "host", "address 8.8.8.8", "verdict"]


def test_the_apps_own_policy_counts(run: Run, sqlite_shop: Books) -> None:
    assert run("doctor", "--url", "http://localhost:9/x").code == 1
    ran = run("doctor", "shop:app", "--url", "http://localhost:9/x")
    assert ran.code == 0
    assert "localhost resolves to" in ran.out
    assert "allow_networks 127.0.0.0/8" in ran.out
    assert "in allow_networks, so port, scheme and name are free" in ran.out


class Names:
    """A resolver that knows these names."""

    def __init__(self, **names: str) -> None:
        self.names = names

    async def resolve(self, host: str) -> list[Any]:
        return [ip_address(text) for text in self.names[host.partition(".")[0]].split()]


def test_all_addresses_of_a_name_are_judged_and_one_bad_one_refuses() -> None:
    guard = Guard(NetworkPolicy(), Names(good="8.8.8.8 8.8.4.4", mixed="8.8.8.8 10.0.0.1", nowhere=""))
    good = explain(guard, "https://good.example.com/x", "ours")
    assert [step.level for step in good] == ["ok"] * 7
    assert good[-1].subject == "verdict"
    mixed = explain(guard, "https://mixed.example.com/x", "ours")
    assert [(step.subject, step.level) for step in mixed[-2:]] == [
        ("address 8.8.8.8", "ok"),
        ("address 10.0.0.1", "problem"),
    ]
    nowhere = explain(guard, "https://nowhere.example.com/x", "ours")
    assert (nowhere[-1].subject, nowhere[-1].level) == ("name", "problem")
    assert "attempts fail and are tried again" in nowhere[-1].remedy


def test_the_policy_is_told_in_full() -> None:
    policy = NetworkPolicy.from_settings(
        ["10.0.0.0/8"],
        ports=[443],
        https_only=True,
        allow_hosts=["api.example.com"],
        deny_hosts=["x.example"],
    )
    told = explain(Guard(policy), "https://other.example.com/x", "ours")
    assert told[1].text == (
        "ours: ports 443; https only; allow_networks 10.0.0.0/8; allow_hosts api.example.com; "
        "deny_hosts x.example"
    )
    assert "allow_hosts" in told[-1].text


def test_a_url_is_judged_by_an_owners_own_rules_too(run: Run) -> None:
    Path("several.py").write_text(
        "from fastapi import FastAPI\n"
        "from ringback import NetworkPolicy, Ringback\n"
        "app = FastAPI()\n"
        "rules = {'inside': NetworkPolicy.from_settings(['10.0.0.0/8'])}\n"
        "Ringback(app, owner_policy=rules.get)\n"
    )
    asked = ("doctor", "several:app", "--url", "http://10.0.0.1/x")
    assert run(*asked).code == 1
    assert run(*asked, "--owner", "other").code == 1
    allowed = run(*asked, "--owner", "inside")
    assert allowed.code == 0
    assert "the app's network policy for 'inside'" in allowed.out


def test_no_database_is_needed_to_judge_a_url(run: Run) -> None:
    assert run("doctor", "--url", "https://8.8.8.8/x", "--database", "postgresql://127.0.0.1:1/x").code == 0
