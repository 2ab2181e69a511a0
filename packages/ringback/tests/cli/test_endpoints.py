import re
from typing import Any

from ringback._store import reports
from ringback._types import State

Run = Any
Books = Any

URL = "https://api.example/events"


def test_endpoints_that_never_failed_are_not_listed(run: Run, sqlite_books: Books) -> None:
    sqlite_books.ended(State.DELIVERED)
    ran = run("endpoints", "list", "--database", sqlite_books.url)
    assert ran.out == "No endpoint has failed, and none is disabled.\n"
    assert run("endpoints", "list", "--database", sqlite_books.url, "--json").json == []


def test_a_failing_endpoint_is_listed_with_its_failures(run: Run, books: Books) -> None:
    for _ in range(2):
        books.attempt(books.owe(owner="acme"), state=State.PENDING, counts=-1)
    ran = run("endpoints", "list", "--database", books.url)
    assert re.search(rf"failing +{URL} +acme +2 failures in a row for \d", ran.out)


def test_disable_and_enable(run: Run, books: Books) -> None:
    where = ("--database", books.url)
    ran = run("endpoints", "disable", URL, "--owner", "acme", "--reason", "they asked", *where)
    assert ran.out == f"{URL} is disabled for owner 'acme': nothing is sent to it any more.\n"
    assert re.search(rf"disabled +{URL} +acme +they asked, 20", run("endpoints", "list", *where).out)
    [one] = run("endpoints", "list", "--owner", "acme", "--json", *where).json
    assert one["disabled_at"].endswith("Z")
    assert run("endpoints", "list", "--owner", "bolt", "--json", *where).json == []
    ran = run("endpoints", "enable", URL, "--owner", "acme", *where)
    assert ran.code == 0
    assert f"ringback deliveries replay --owner acme --endpoint {URL}" in ran.out
    [one] = books.do(lambda c, _: reports.list_endpoints(c))
    assert (one["disabled_at"], one["failures"]) == (None, 0)


def test_the_owner_belongs_to_the_endpoint(run: Run, sqlite_books: Books) -> None:
    where = ("--database", sqlite_books.url)
    assert run("endpoints", "disable", URL, *where).out.startswith(f"{URL} is disabled for the app itself")
    ran = run("endpoints", "enable", URL, "--owner", "acme", *where)
    assert ran.code == 1
    assert "there is nothing to enable" in ran.err
    assert run("endpoints", "enable", URL, *where).code == 0


def test_what_enable_advises_can_be_pasted_into_a_shell(run: Run, sqlite_books: Books) -> None:
    url = "https://api.example/events?a=1&b=2"
    run("endpoints", "disable", url, "--owner", "a c", "--database", sqlite_books.url)
    ran = run("endpoints", "enable", url, "--owner", "a c", "--database", sqlite_books.url)
    assert f"--owner 'a c' --endpoint '{url}'" in ran.out
