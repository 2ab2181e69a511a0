"""The command line: what an operator types, sees, and is told when something is wrong."""

import json
import socket
import sys
from pathlib import Path
from typing import Any, Protocol

import pytest

from invoices.cli import main


class Run(Protocol):
    def __call__(self, *arguments: str, **variables: str) -> tuple[int, str, str]: ...


@pytest.fixture
def run(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Runs `invoices ARGUMENTS` with an empty database: its exit code, its output, its errors."""
    monkeypatch.setenv("INVOICES_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("INVOICES_DATA_DIR", str(tmp_path / "data"))

    def run(*arguments: str, **variables: str) -> tuple[int, str, str]:
        with monkeypatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["invoices", *arguments])
            try:
                main()
            except SystemExit as end:
                code = int(end.code or 0)
            else:
                code = 0
        seen = capsys.readouterr()
        return code, seen.out, seen.err

    return run


def told(result: tuple[int, str, str]) -> Any:
    code, output, errors = result
    assert code == 0, errors
    return json.loads(output)


def test_an_account_is_made_shown_rotated_and_disabled(
    run: Run, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INVOICES_DATABASE_URL", database_url)
    created = told(run("accounts", "create", "acme", "--json"))
    assert set(created) == {"account", "api_key", "signing_secret"}
    assert created["account"] == "acme"
    assert created["signing_secret"].startswith("whsec_")
    shown = told(run("accounts", "show", "acme", "--json"))
    assert shown == {"account": "acme", "signing_secret": created["signing_secret"]}
    another = told(run("accounts", "keys", "create", "acme", "--json"))
    assert another["api_key"] != created["api_key"]
    rotated = told(run("accounts", "rotate-secret", "acme", "--json"))
    assert rotated["signing_secret"] != created["signing_secret"]
    assert told(run("accounts", "show", "acme", "--json")) == rotated
    assert run("accounts", "disable", "acme")[0] == 0
    listed = told(run("accounts", "list", "--json"))
    assert [(row["account"], row["keys"]) for row in listed] == [("acme", 2), ("default", 0)]
    assert listed[0]["disabled_at"]


def test_an_accounts_public_key_is_shown_with_where_it_is_served(run: Run) -> None:
    run("accounts", "create", "acme")
    made = told(run("accounts", "public-key", "acme", "--json"))
    assert made["public_key"].startswith("whpk_")
    assert made["key_set"].endswith(f"/.well-known/jwks.json?kid={made['key_id']}")
    assert made["public_key"] in run("accounts", "public-key", "acme")[1]
    assert told(run("accounts", "public-key", "acme", "--rotate", "--json"))["key_id"] != made["key_id"]
    assert run("accounts", "public-key", "nobody")[0] == 1


def test_keys_have_scopes_are_listed_by_prefix_and_revoked(
    run: Run, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INVOICES_DATABASE_URL", database_url)
    run("accounts", "create", "acme")
    options = ("--scope", "read", "--scope", "create")
    made = told(run("accounts", "keys", "create", "acme", *options, "--json"))
    assert made["api_key"].startswith(made["prefix"] + "_")
    assert made["scopes"] == ["create", "read"]
    listed = told(run("accounts", "keys", "list", "acme", "--json"))
    assert [row["scopes"] for row in listed] == [["create", "read", "manage"], ["create", "read"]]
    assert all(row["last_used_at"] is None and row["revoked_at"] is None for row in listed)
    assert run("accounts", "keys", "revoke", made["prefix"])[0] == 0
    assert told(run("accounts", "keys", "list", "acme", "--json"))[1]["revoked_at"]
    assert made["api_key"] not in run("accounts", "keys", "list", "acme")[1]
    assert "shown only now" in run("accounts", "keys", "create", "acme", "--scope", "read")[1]


def test_people_see_words_and_tables(run: Run) -> None:
    assert "shown only now" in run("accounts", "create", "acme")[1]
    assert "shown only now" not in run("accounts", "show", "acme")[1]
    assert "acme" in run("accounts", "list")[1]
    assert run("version")[1].strip()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["accounts", "show", "nobody"], "there is no account 'nobody'"),
        (["accounts", "keys", "create", "nobody"], "there is no account 'nobody'"),
        (["accounts", "keys", "list", "nobody"], "there is no account 'nobody'"),
        (["accounts", "keys", "revoke", "inv_00000000"], "there is no key with this prefix"),
        (["accounts", "disable", "nobody"], "there is no account 'nobody'"),
        (["accounts", "create", "Not A Name"], "cannot name an account"),
        (["accounts", "create", "default"], "keys create default"),
        (["serve", "--host", "0.0.0.0", "--port", "0"], "no API key exists yet"),
    ],
)
def test_what_cannot_be_done_is_told(run: Run, arguments: list[str], words: str) -> None:
    code, _, errors = run(*arguments)
    assert code == 1
    assert errors.startswith("error: ")
    assert words in errors


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("INVOICES_CURRENCY", "usd", "INVOICES_CURRENCY: 'usd' is not a currency code"),
        ("INVOICES_PAYMENTS", "stripe", "INVOICES_PAYMENTS=stripe needs"),
        ("INVOICES_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing", "the database cannot be used"),
        ("INVOICES_SMTP_URL", "nonsense", "INVOICES_SMTP_URL"),
    ],
)
def test_settings_that_are_wrong_are_named(run: Run, name: str, value: str, words: str) -> None:
    code, _, errors = run("serve", "--port", "0", **{name: value})
    assert code == 1
    assert words in errors


def test_a_busy_port_is_told(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, _, errors = run("serve", "--port", str(taken.getsockname()[1]))
    assert code == 1
    assert "Choose another one" in errors


def test_with_keys_but_without_a_word_about_payment_it_is_not_served_beyond_this_machine(run: Run) -> None:
    run("accounts", "create", "acme")
    code, _, errors = run("serve", "--host", "0.0.0.0", "--port", "0")
    assert code == 1
    assert "customers would pay in the sandbox" in errors


def test_external_workers_need_a_database_that_was_migrated(run: Run) -> None:
    code, _, errors = run("accounts", "list", INVOICES_WORKER="external")
    assert code == 1
    assert "Run `invoices migrate` once" in errors
    assert "up to date" in run("migrate", INVOICES_WORKER="external")[1]
    assert told(run("accounts", "list", "--json", INVOICES_WORKER="external"))
