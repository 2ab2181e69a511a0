import json
import os
import re
import subprocess
import sys
from itertools import pairwise
from typing import Any

import pytest

from ringback._store import reports
from ringback._types import State

Run = Any
Books = Any


def states(books: Books) -> dict[str, str]:
    return {one.id: one.state for one in books.do(lambda c, _: reports.list_deliveries(c, limit=10_000))}


# --- list --------------------------------------------------------------------------------------------------


def test_a_list_tells_what_is_owed_and_how_it_goes(run: Run, books: Books) -> None:
    delivered = books.ended(State.DELIVERED, "paid-1")
    dead = books.ended(State.DEAD, "paid-2", owner="acme")
    retried = books.ended(State.PENDING, "paid-3")
    due = books.owe("paid-4")
    ran = run("deliveries", "list", "--database", books.url)
    assert ran.code == 0
    assert re.findall(r"msg_\S+", ran.out) == [due, retried, dead, delivered]
    for words in (
        "dead",
        "invoice_notification of paid-2, owner acme",
        "1 attempt: as told",
        "no attempt yet",
    ):
        assert words in ran.words
    assert re.search(r"next attempt in [45] min", ran.words)
    assert "https://api.example/events/invoices/paid-1" in ran.out


def test_a_list_says_so_when_it_is_empty(run: Run, sqlite_books: Books) -> None:
    assert run("deliveries", "list", "--database", sqlite_books.url).out == "No deliveries.\n"
    assert run("deliveries", "list", "--database", sqlite_books.url, "--json").json == []


def test_filters_choose(run: Run, books: Books) -> None:
    for key, changes in {
        "a": {"owner": "acme"},
        "b": {"owner": "bolt", "endpoint": "https://bolt.example/in"},
        "c": {"channel": "mail", "owner": "acme"},
    }.items():
        books.owe(key, **changes)
    books.ended(State.DEAD, "d", owner="acme")

    def keys(*options: str) -> list[str]:
        found = run("deliveries", "list", "--database", books.url, "--json", *options).json
        return sorted(one["key"] for one in found)

    assert keys() == ["a", "b", "c", "d"]
    assert keys("--owner", "acme") == ["a", "c", "d"]
    assert keys("--key", "b") == ["b"]
    assert keys("--channel", "mail") == ["c"]
    assert keys("--endpoint", "https://bolt.example/in") == ["b"]
    assert keys("--state", "dead", "--state", "waiting") == ["d"]
    assert keys("--owner", "acme", "--channel", "http", "--state", "sending") == ["a"]
    assert keys("--limit", "1") == ["d"]
    assert keys("--owner", "nobody") == []


def test_a_list_that_was_cut_says_so(run: Run, sqlite_books: Books) -> None:
    for _ in range(3):
        sqlite_books.owe()
    where = ("--database", sqlite_books.url)
    assert "The newest 2;" in run("deliveries", "list", "--limit", "2", *where).out
    assert "The newest" not in run("deliveries", "list", "--limit", "4", *where).out


def test_json_has_every_field_and_utc_times(run: Run, sqlite_books: Books) -> None:
    sqlite_books.ended(State.DELIVERED, "paid-1", owner="acme")
    [one] = run("deliveries", "list", "--database", sqlite_books.url, "--json").json
    assert one["callback"] == "invoice_notification"
    assert (one["state"], one["attempts"], one["verdict"]) == ("delivered", 1, "as told")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", one["finished_at"])
    assert one["next_attempt_at"] is None


def test_ids_and_urls_stay_whole_on_a_narrow_terminal(
    run: Run, sqlite_books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_ = sqlite_books.owe(message_id="msg_01a20d5a0733734eb02e859bdb0cc672_72259923")
    monkeypatch.setenv("COLUMNS", "80")
    assert id_ in run("deliveries", "list", "--database", sqlite_books.url).out


def test_a_state_that_is_none_is_a_usage_error_that_names_them(run: Run, sqlite_books: Books) -> None:
    ran = run("deliveries", "list", "--state", "lost", "--database", sqlite_books.url)
    assert ran.code == 2
    assert "delivered" in ran.err


# --- show --------------------------------------------------------------------------------------------------


def test_one_delivery_is_shown_with_its_attempts(run: Run, books: Books) -> None:
    id_ = books.owe("paid-1", owner="acme")
    books.attempt(
        id_, state=State.PENDING, delay=0.0, verdict="answered 503", status_code=503, response="busy"
    )
    books.attempt(id_, verdict="answered 200", status_code=200, breach="ok: a boolean was declared")
    ran = run("deliveries", "show", id_, "--database", books.url)
    assert ran.code == 0
    for words in (
        id_,
        "invoice_notification of paid-1, owner acme",
        '"description": "Payment celebration"',
        "retry",
        "answered 503",
        "answer: busy",
        "answered 200",
        "ok: a boolean was declared",
        "250 ms",
        "by w:1:abc",
    ):
        assert words in ran.words
    assert ran.out.index("answered 503") < ran.out.rindex("answered 200")


def test_a_delivery_in_json_has_its_body_and_attempts(run: Run, sqlite_books: Books) -> None:
    id_ = sqlite_books.ended(State.DELIVERED, "paid-1")
    shown = run("deliveries", "show", id_, "--database", sqlite_books.url, "--json").json
    assert json.loads(shown["body"]) == {"description": "Payment celebration", "paid": True}
    [attempt] = shown["attempts"]
    assert (attempt["number"], attempt["outcome"], attempt["duration"]) == (1, "delivered", 0.25)
    assert attempt["started_at"].endswith("Z")


def test_a_delivery_that_nobody_tried_yet_says_so(run: Run, sqlite_books: Books) -> None:
    id_ = sqlite_books.owe(delay=3600.0)
    ran = run("deliveries", "show", id_, "--database", sqlite_books.url)
    assert "No attempt yet." in ran.out
    assert re.search(r"next attempt in (1 h|59 min)", ran.words)


def test_what_receivers_say_cannot_steer_the_terminal(run: Run, sqlite_books: Books) -> None:
    id_ = sqlite_books.owe()
    sqlite_books.attempt(
        id_, state=State.DEAD, response="\x1b]0;owned\x07\x1b[2J[bold]", verdict="no\x1b[31m"
    )
    out = run("deliveries", "show", id_, "--database", sqlite_books.url).out
    assert "\x1b" not in out
    assert "\x07" not in out
    assert "\\u001b[2J[bold]" in out


def test_a_body_that_is_not_text_can_be_shown(run: Run, sqlite_books: Books) -> None:
    id_ = sqlite_books.owe(body=b"\xff\x00%PDF")
    assert "\\xff" in run("deliveries", "show", id_, "--database", sqlite_books.url).out
    assert run("deliveries", "show", id_, "--database", sqlite_books.url, "--json").code == 0


def test_an_unknown_id_is_an_error(run: Run, sqlite_books: Books) -> None:
    ran = run("deliveries", "show", "msg_nosuch", "--database", sqlite_books.url)
    assert (ran.code, ran.out) == (1, "")
    assert "'msg_nosuch'" in ran.err


# --- replay ------------------------------------------------------------------------------------------------


def test_replay_by_id_makes_it_due_again_and_refuses_what_has_not_ended(run: Run, books: Books) -> None:
    dead, delivered = books.ended(State.DEAD), books.ended(State.DELIVERED)
    open_ = books.owe(delay=60.0)
    ran = run("deliveries", "replay", dead, open_, delivered, "msg_nosuch", "--database", books.url)
    assert ran.code == 1
    assert f"{dead} is to be sent again." in ran.out
    assert f"{open_} was left alone: it is not there, or it has not ended yet." in ran.err
    assert "msg_nosuch was left alone" in ran.err
    assert states(books) == {dead: "pending", delivered: "pending", open_: "pending"}


def test_replay_by_filter_takes_the_dead_of_one_owner(run: Run, books: Books) -> None:
    mine = [books.ended(State.DEAD, owner="acme") for _ in range(3)]
    others = [books.ended(State.DEAD, owner="bolt"), books.ended(State.DELIVERED, owner="acme")]
    ran = run("deliveries", "replay", "--owner", "acme", "--yes", "--database", books.url, "--json")
    assert ran.json == {"matched": 3, "done": 3}
    now = states(books)
    assert {now[id_] for id_ in mine} == {"pending"}
    assert [now[id_] for id_ in others] == ["dead", "delivered"]


def test_replay_takes_the_oldest_up_to_the_limit(run: Run, books: Books) -> None:
    ids = [books.ended(State.DEAD, endpoint="https://a.example/in") for _ in range(3)]
    where = ("--database", books.url)
    ran = run("deliveries", "replay", "--endpoint", "https://a.example/in", "--limit", "2", "--yes", *where)
    assert ran.out == "2 deliveries are to be sent again.\n"
    assert [states(books)[id_] for id_ in ids] == ["pending", "pending", "dead"]


def test_replay_at_a_rate_spreads_the_due_times(run: Run, books: Books) -> None:
    for _ in range(4):
        books.ended(State.DEAD, owner="acme")
    run("deliveries", "replay", "--owner", "acme", "--rate", "0.5", "--yes", "--database", books.url)
    found = books.do(lambda c, _: reports.list_deliveries(c))
    due = sorted(one.next_attempt_at for one in found)
    assert [round(later - earlier) for earlier, later in pairwise(due)] == [2, 2, 2]


def test_replay_of_many_goes_on_over_all_batches(
    run: Run, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ringback.cli._steering._BATCH", 3)
    ids = [books.ended(State.DEAD, owner="acme") for _ in range(8)]
    ran = run("deliveries", "replay", "--owner", "acme", "--yes", "--database", books.url)
    assert ran.out == "8 deliveries are to be sent again.\n"
    assert {states(books)[id_] for id_ in ids} == {"pending"}


def test_without_ids_or_a_filter_nothing_is_replayed(run: Run, sqlite_books: Books) -> None:
    dead = sqlite_books.ended(State.DEAD)
    ran = run("deliveries", "replay", "--database", sqlite_books.url)
    assert ran.code == 2
    assert "say what to replay" in ran.words
    assert states(sqlite_books) == {dead: "dead"}


def test_without_anybody_to_ask_a_filter_needs_yes(run: Run, sqlite_books: Books) -> None:
    dead = sqlite_books.ended(State.DEAD, owner="acme")
    ran = run("deliveries", "replay", "--owner", "acme", "--database", sqlite_books.url)
    assert ran.code == 1
    assert "This would replay 1 delivery" in ran.err
    assert "Add --yes" in ran.err
    assert states(sqlite_books) == {dead: "dead"}


def test_a_person_is_asked_and_may_decline(sqlite_books: Books) -> None:
    dead = sqlite_books.ended(State.DEAD, owner="acme")

    def answer(word: bytes) -> subprocess.CompletedProcess[str]:
        ours, theirs = os.openpty()
        os.write(ours, word + b"\n")
        command = ("deliveries", "replay", "--owner", "acme", "--database", sqlite_books.url)
        try:
            return subprocess.run(
                [sys.executable, "-m", "ringback", *command],
                check=False,
                stdin=theirs,
                capture_output=True,
                text=True,
                timeout=60,
            )
        finally:
            os.close(ours)
            os.close(theirs)

    declined = answer(b"n")
    assert (declined.returncode, declined.stdout.strip()) == (1, "")
    assert "Replay 1 delivery? [y/N]" in declined.stderr
    assert states(sqlite_books) == {dead: "dead"}
    assert answer(b"y").stdout.strip() == "1 delivery is to be sent again."
    assert states(sqlite_books) == {dead: "pending"}


@pytest.mark.parametrize(("command", "state"), [("replay", "pending"), ("cancel", "dead")])
def test_a_state_that_cannot_be_meant_is_a_usage_error(
    run: Run, sqlite_books: Books, command: str, state: str
) -> None:
    ran = run("deliveries", command, "--state", state, "--yes", "--database", sqlite_books.url)
    assert ran.code == 2
    assert "this works on" in ran.words


# --- cancel ------------------------------------------------------------------------------------------------


def test_cancel_by_id_ends_what_is_open(run: Run, books: Books) -> None:
    open_, delivered = books.owe(delay=60.0), books.ended(State.DELIVERED)
    ran = run("deliveries", "cancel", open_, delivered, "--database", books.url, "--json")
    assert ran.code == 1
    assert ran.json == {"done": [open_], "refused": [delivered]}
    assert states(books) == {open_: "cancelled", delivered: "delivered"}


def test_cancel_leaves_an_attempt_that_is_under_way_alone(run: Run, books: Books) -> None:
    sending = books.owe()
    books.attempt()
    ran = run("deliveries", "cancel", sending, "--database", books.url)
    assert ran.code == 1
    assert "its attempt is under way" in ran.err
    assert states(books) == {sending: "sending"}


def test_cancel_by_key(run: Run, books: Books) -> None:
    mine, other = books.owe("void-1"), books.owe("paid-1")
    ran = run("deliveries", "cancel", "--key", "void-1", "--yes", "--database", books.url)
    assert ran.out == "1 delivery is cancelled.\n"
    assert states(books) == {mine: "cancelled", other: "pending"}
