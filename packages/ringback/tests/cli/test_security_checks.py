"""What the doctor says of master keys, of the secrets under them, and of the TLS library."""

from pathlib import Path
from typing import Any

import pytest

from ringback._sealing import new_master_key
from ringback._types import State
from ringback.cli import _checks, _security_checks

Run = Any
Books = Any


def finding(run: Run, url: str, subject: str) -> Any:
    """What the doctor finds of one subject."""
    ran = run("doctor", "--json", "--database", url)
    [found] = [one for one in ran.json["findings"] if one["subject"] == subject]
    return found


def test_a_key_of_the_environment_is_as_it_should_be(run: Run, books: Books) -> None:
    found = finding(run, books.url, "master key")
    assert found["level"] == "ok"
    assert "$RINGBACK_KEY" in found["text"]


def test_a_key_file_is_named_loudly_and_not_made_by_looking(
    run: Run, sqlite_books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RINGBACK_KEY")
    path = Path(f"{sqlite_books.url.partition(':///')[2]}.key")
    found = finding(run, sqlite_books.url, "master key")
    assert found["level"] == "note"
    assert f"{path} will be made" in found["text"]
    assert not path.exists()
    run("keys", "create", "acme", "--database", sqlite_books.url)
    found = finding(run, sqlite_books.url, "master key")
    assert found["level"] == "note"
    assert f"from the file {path}: whoever copies the file with the database can sign" in found["text"]
    assert "ringback keys new-master" in found["remedy"]
    path.chmod(0o644)
    found = finding(run, sqlite_books.url, "master key")
    assert found["level"] == "problem"
    assert f"chmod 600 {path}" in found["remedy"]
    path.unlink()
    found = finding(run, sqlite_books.url, "signing keys")
    assert found["level"] == "problem"
    assert "which is not here" in found["text"]


def test_a_server_without_a_key_and_the_development_key_are_problems(
    run: Run, postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RINGBACK_KEY")
    found = finding(run, postgresql_url, "master key")
    assert found["level"] == "problem"
    assert "ringback keys new-master" in found["text"]
    monkeypatch.setenv("RINGBACK_KEY", "development")
    found = finding(run, postgresql_url, "master key")
    assert found["level"] == "problem"
    assert "everybody knows" in found["text"]


def test_secrets_under_an_older_key_and_under_a_missing_one_are_told(
    run: Run, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert finding(run, books.url, "signing keys")["text"] == "none yet"
    old, new = new_master_key(), new_master_key()
    monkeypatch.setenv("RINGBACK_KEY", old)
    run("keys", "create", "acme", "--database", books.url)
    assert finding(run, books.url, "signing keys")["level"] == "ok"
    monkeypatch.setenv("RINGBACK_KEY", f"{new},{old}")
    found = finding(run, books.url, "signing keys")
    assert (found["level"], "ringback keys reencrypt" in found["remedy"]) == ("note", True)
    monkeypatch.setenv("RINGBACK_KEY", new)
    assert finding(run, books.url, "signing keys")["level"] == "problem"


@pytest.mark.parametrize(
    ("version", "name", "level"),
    [
        ((1, 1, 1, 23, 15), "OpenSSL 1.1.1w", "note"),
        ((3, 0, 0, 15, 0), "OpenSSL 3.0.15", "ok"),
        ((2, 0, 0, 0, 0), "LibreSSL 3.9", "ok"),
    ],
)
def test_a_tls_library_without_fixes_is_noted(version: tuple[int, ...], name: str, level: str) -> None:
    assert _security_checks.openssl(version, name).level == level


def test_a_sqlite_that_cannot_run_our_statements_is_a_problem() -> None:
    found = _checks.sqlite_library((3, 34, 1))
    assert found.level == "problem"
    assert "RETURNING" in found.text


def test_t44_what_was_accepted_and_is_refused_now_is_counted(run: Run, sqlite_shop: Books) -> None:
    sqlite_shop.owe("a", url="https://api.example.com/events/invoices/a")
    found = checked(run, "callbacks")
    assert found["level"] == "ok"
    for key in ("b", "c"):
        sqlite_shop.owe(key, url=f"http://10.0.0.1/events/invoices/{key}?token=sesame")
    sqlite_shop.ended(State.DEAD, "d", url="http://10.0.0.2/")
    found = checked(run, "callbacks")
    assert found["level"] == "note"
    assert "2 URLs" in found["text"]
    assert "10.0.0.1 is not a public address" in found["text"]
    assert "sesame" not in found["text"]


def checked(run: Run, subject: str) -> Any:
    """The same for the shop's app, whose policy counts."""
    [found] = [
        one for one in run("doctor", "shop:app", "--json").json["findings"] if one["subject"] == subject
    ]
    return found
