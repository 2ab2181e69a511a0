from typing import Any

from sqlalchemy import func, select, update

from ringback._store.tables import attempts, deliveries
from ringback._types import State

Run = Any
Books = Any

DAY = 86_400.0


def age(books: Books, days: float) -> None:
    """Let time pass for everything that has ended."""
    later = update(deliveries).values(finished_at=deliveries.c.finished_at - days * DAY)
    books.do(lambda c, _: c.execute(later))


def counts(books: Books) -> list[int]:
    tables = (deliveries, attempts)
    return list(
        books.do(lambda c, _: [c.scalar(select(func.count()).select_from(table)) for table in tables])
    )


def test_what_ended_long_ago_goes_with_its_attempts(run: Run, books: Books) -> None:
    for state in (State.DELIVERED, State.DEAD):
        books.ended(state)
    age(books, 31)
    books.ended(State.DELIVERED)
    books.owe()
    assert counts(books) == [4, 3]
    ran = run("prune", "--older-than", "30d", "--database", books.url)
    assert ran.out == "2 deliveries deleted that ended more than 30 d ago.\n"
    assert counts(books) == [2, 1]
    assert run("prune", "--older-than", "30d", "--database", books.url, "--json").json == {"deleted": 0}


def test_it_goes_on_batch_by_batch_until_nothing_is_left(run: Run, books: Books) -> None:
    for _ in range(5):
        books.ended(State.DELIVERED)
    age(books, 1)
    ran = run("prune", "--older-than", "1h", "--batch", "2", "--database", books.url, "--json")
    assert ran.json == {"deleted": 5}
    assert counts(books) == [0, 0]


def test_an_age_must_be_given(run: Run, sqlite_books: Books) -> None:
    ran = run("prune", "--database", sqlite_books.url)
    assert ran.code == 2
    assert "--older-than" in ran.err
