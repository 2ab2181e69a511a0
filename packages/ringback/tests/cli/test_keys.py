import re
from typing import Any

import pytest

from ringback._sealing import new_master_key
from ringback._signing import fingerprint, sign

Run = Any
Books = Any

SECRET = re.compile(r"whsec_[A-Za-z0-9+/=]+")


def test_a_key_is_made_and_its_secret_shown_once(run: Run, books: Books) -> None:
    where = ("--database", books.url)
    ran = run("keys", "create", "acme", *where)
    assert ran.code == 0
    secret = ran.out.strip()
    assert SECRET.fullmatch(secret), "nothing but the secret, so that a script can take it"
    assert sign([secret], "msg_1", 1, b"").startswith("v1,")
    assert "not shown again" in ran.words
    listed = run("keys", "list", *where)
    assert fingerprint(secret) in listed.out
    assert re.search(r"acme +v1 +[0-9a-f]{12} +20.* current: signs", listed.out)
    for ran in (listed, run("keys", "list", "--json", *where)):
        assert not SECRET.search(ran.out + ran.err)


def test_a_second_key_is_refused_with_the_command_that_rotates(run: Run, sqlite_books: Books) -> None:
    run("keys", "create", "acme", "--database", sqlite_books.url)
    ran = run("keys", "create", "acme", "--database", sqlite_books.url)
    assert (ran.code, ran.out) == (1, "")
    assert "ringback keys rotate acme" in ran.err


def test_an_app_without_owners_has_one_key(run: Run, sqlite_books: Books) -> None:
    made = run("keys", "create", "--database", sqlite_books.url, "--json").json
    assert made["owner"] == ""
    assert fingerprint(made["secret"]) == made["fingerprint"]
    assert sqlite_books.do(lambda c, store: store.keys.ensure(c, "")) == made["secret"]


def test_rotation_lets_both_sign_for_a_time(run: Run, books: Books) -> None:
    where = ("--database", books.url)
    old = run("keys", "create", "acme", *where).out.strip()
    ran = run("keys", "rotate", "acme", "--overlap", "2h", *where)
    new = ran.out.strip()
    assert new != old
    assert "For 2 h callbacks carry the signatures of both." in ran.words
    assert books.do(lambda c, store: store.keys.signing(c, ["acme"])) == {"acme": (new, old)}
    current, retiring = run("keys", "list", "--owner", "acme", "--json", *where).json
    assert (current["state"], current["retires_at"]) == ("current", None)
    assert (retiring["state"], retiring["fingerprint"]) == ("retiring", fingerprint(old))


def test_rotation_without_overlap_ends_the_old_key_at_once(run: Run, sqlite_books: Books) -> None:
    where = ("--database", sqlite_books.url)
    run("keys", "create", "acme", *where)
    new = run("keys", "rotate", "acme", "--overlap", "0s", *where).out.strip()
    assert sqlite_books.do(lambda c, store: store.keys.signing(c, ["acme"])) == {"acme": (new,)}
    assert "retired: has signed nothing since" in run("keys", "list", *where).words


@pytest.mark.parametrize("overlap", ["tomorrow", "-1h"])
def test_an_overlap_that_is_no_duration_changes_nothing(run: Run, sqlite_books: Books, overlap: str) -> None:
    ran = run("keys", "rotate", "acme", f"--overlap={overlap}", "--database", sqlite_books.url)
    assert ran.code == 2
    assert "is not a duration" in ran.words
    assert run("keys", "list", "--json", "--database", sqlite_books.url).json == []


def test_a_key_pair_is_made_and_its_public_half_shown(run: Run, books: Books) -> None:
    where = ("--database", books.url)
    ran = run("keys", "create", "acme", "--v1a", *where)
    public = ran.out.strip()
    assert public.startswith("whpk_")
    assert f"/.well-known/jwks.json?kid={fingerprint(public)}" in ran.words
    again = run("keys", "create", "acme", "--v1a", *where)
    assert (again.code, again.out) == (1, "")
    assert "ringback keys rotate acme --v1a" in again.err
    [listed] = run("keys", "list", "--json", *where).json
    assert (listed["kind"], listed["public_key"]) == ("v1a", public)
    assert public in run("keys", "list", *where).out
    assert run("keys", "create", "acme", *where).code == 0, "the other kind is a key of its own"


def test_rotating_a_key_pair_lets_both_sign_for_a_time(run: Run, sqlite_books: Books) -> None:
    where = ("--database", sqlite_books.url)
    old = run("keys", "create", "acme", "--v1a", *where).out.strip()
    made = run("keys", "rotate", "acme", "--v1a", "--json", *where).json
    assert made["public_key"] != old
    states = {key["public_key"]: key["state"] for key in run("keys", "list", "--json", *where).json}
    assert states == {made["public_key"]: "current", old: "retiring"}


def test_a_new_master_key_is_printed_alone_and_takes_over(
    run: Run, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = (run("keys", "new-master").out.strip() for _ in range(2))
    assert len({old, new}) == 2
    where = ("--database", books.url)
    monkeypatch.setenv("RINGBACK_KEY", old)
    secret = run("keys", "create", "acme", *where).out.strip()
    monkeypatch.setenv("RINGBACK_KEY", new)
    for refused in (["keys", "create", "other"], ["keys", "rotate", "acme"], ["keys", "reencrypt"]):
        ran = run(*refused, *where)
        assert ran.code == 1
        assert "RINGBACK_KEY=new,old" in ran.words
    monkeypatch.setenv("RINGBACK_KEY", f"{new},{old}")
    assert "1 key encrypted anew" in run("keys", "reencrypt", *where).out
    monkeypatch.setenv("RINGBACK_KEY", new)
    assert books.do(lambda c, store: store.keys.ensure(c, "acme")) == secret


def test_keys_of_a_lost_master_key_can_be_dropped_by_name(
    run: Run, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = ("--database", books.url)
    lost = run("keys", "create", "acme", *where).out.strip()
    monkeypatch.setenv("RINGBACK_KEY", new_master_key())
    ran = run("keys", "reencrypt", "--drop-unreadable", *where)
    assert ran.code == 0
    assert "0 keys encrypted anew" in ran.words
    assert "the key of owner 'acme'" in ran.words
    assert run("keys", "create", "acme", *where).out.strip() != lost


def test_a_database_server_without_a_master_key_gets_no_keys(
    run: Run, postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("migrate", "--database", postgresql_url)
    monkeypatch.delenv("RINGBACK_KEY")
    ran = run("keys", "create", "acme", "--database", postgresql_url)
    assert ran.code == 1
    assert "ringback keys new-master" in ran.err
