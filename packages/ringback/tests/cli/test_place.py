"""Which database a command works on, and what it says when that cannot be used."""

import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

Run = Any
Books = Any


def test_the_option_goes_before_the_app_and_the_app_before_the_environment(
    run: Run, sqlite_shop: Books, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sqlite_shop.owe("of-the-shop")
    other, third = (f"sqlite:///{tmp_path / name}.db" for name in ("other", "third"))
    for url in (other, third):
        assert run("migrate", "--database", url).code == 0
    monkeypatch.setenv("RINGBACK_DATABASE", third)
    assert run("deliveries", "list").words == "No deliveries."
    assert "of-the-shop" in run("deliveries", "list", "--app", "shop:app").out
    both = run("deliveries", "list", "--app", "shop:app", "--database", other)
    assert both.words == "No deliveries."
    assert "of-the-shop" in run("deliveries", "list", "--database", sqlite_shop.url).out


def test_without_a_word_it_is_the_file_beside(run: Run) -> None:
    assert run("migrate").code == 0
    assert Path("ringback.db").exists()
    assert run("deliveries", "list").code == 0


def test_a_file_that_is_not_there_is_not_made_by_looking(run: Run) -> None:
    ran = run("deliveries", "list")
    assert ran.code == 1
    assert "There is no database file" in ran.err
    assert "--database" in ran.err
    assert not Path("ringback.db").exists()


def test_a_database_in_memory_is_refused(run: Run) -> None:
    ran = run("deliveries", "list", "--database", "sqlite://")
    assert ran.code == 1
    assert "belongs to the process that made it" in ran.err


def test_tables_that_are_missing_are_told_with_the_command_that_makes_them(
    run: Run, database_url: str
) -> None:
    if make_url(database_url).get_backend_name() == "sqlite":
        Path(make_url(database_url).database or "").touch()
    ran = run("deliveries", "list", "--database", database_url)
    assert ran.code == 1
    assert "ringback migrate" in ran.err


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://u:topsecret@127.0.0.1:1/x", r"postgresql://u:\*\*\*@127.0.0.1:1/x cannot be opened"),
        ("postgresql://127.0.0.1:1/x?password=topsecret", r"postgresql://127.0.0.1:1/x cannot be opened"),
        ("sqlite:////dev/null/topsecret.db", "no database file|cannot be opened"),
        ("mysql://u:topsecret@h/x", "SQLite or PostgreSQL"),
        ("topsecret", "must look like"),
    ],
)
def test_a_database_that_cannot_be_opened_is_told_without_its_password(run: Run, url: str, says: str) -> None:
    ran = run("keys", "list", "--database", url)
    assert ran.code == 1
    assert re.search(says, ran.err)
    assert ran.out == ""
    assert "topsecret" not in ran.err.replace("topsecret.db", "")


def test_a_wrong_password_is_told_as_such(run: Run, postgresql_url: str) -> None:
    url = make_url(postgresql_url).set(username="nobody", password="topsecret")
    ran = run("keys", "list", "--database", url.render_as_string(hide_password=False))
    assert ran.code == 1
    assert "cannot be opened" in ran.err
    assert "nobody" in ran.err
    assert "topsecret" not in ran.err


def test_a_database_that_refuses_to_write_is_told_without_the_statement(
    run: Run, sqlite_books: Books
) -> None:
    file = make_url(sqlite_books.url).database
    ran = run("keys", "create", "acme", "--database", f"sqlite:///file:{file}?mode=ro&uri=true")
    assert (ran.code, ran.out) == (1, "")
    assert "readonly database" in ran.err
    assert "whsec_" not in ran.err
    assert "INSERT" not in ran.err


def test_a_file_that_is_no_database_is_told_in_a_sentence(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "letter.db"
    file.write_text("Dear reader, this is no database at all. " * 100)
    ran = run("keys", "list", "--database", f"sqlite:///{file}")
    assert ran.code == 1
    assert "file is not a database" in ran.err
