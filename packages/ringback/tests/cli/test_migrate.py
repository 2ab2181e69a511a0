from pathlib import Path
from typing import Any

from sqlalchemy import text

from ringback._migrations import head
from ringback._store.tables import VERSION_TABLE

Run = Any
Books = Any


def test_tables_are_made_once(run: Run, database_url: str) -> None:
    first = run("migrate", "--database", database_url)
    assert first.code == 0
    assert f"went from no tables to revision {head()}." in first.out
    second = run("migrate", "--database", database_url)
    assert f"is up to date: revision {head()}." in second.out
    third = run("migrate", "--database", database_url, "--json").json
    assert (third["before"], third["after"]) == (head(), head())
    assert run("deliveries", "list", "--database", database_url).code == 0


def test_an_app_names_its_database(run: Run, shop: Books) -> None:
    assert "is up to date" in run("migrate", "shop:app").out
    assert "is up to date" in run("migrate", "shop:create_app", "--factory").out
    assert not Path("ringback.db").exists()


def test_tables_of_a_newer_version_are_left_alone(run: Run, books: Books) -> None:
    books.do(lambda c, _: c.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")))
    for command in (("migrate",), ("deliveries", "list")):
        ran = run(*command, "--database", books.url)
        assert ran.code == 1
        assert "Upgrade the ringback package" in ran.err
