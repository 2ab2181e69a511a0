"""``ringback keys``: the secrets that sign callbacks, by owner."""

import hashlib
import shlex
from typing import Annotated

import typer
from rich.table import Table
from sqlalchemy import Connection

from ringback._errors import RingbackError
from ringback._store import reports
from ringback._store.reports import KeyReport
from ringback.cli._database import AppOption, DatabaseOption, FactoryOption, Open, Place
from ringback.cli._options import AsJson, OwnerArgument, OwnerFilter, group, whose
from ringback.cli._output import STYLES, error_console, output, plain, print_json, table
from ringback.cli._times import local_time, read_duration, span

__all__ = ["keys"]

keys = group("keys", "The secrets that sign callbacks, by owner.")


@keys.command("list", epilog="Example: ringback keys list --owner acme")
def list_(
    owner: OwnerFilter = None,
    app: AppOption = None,
    factory: FactoryOption = False,
    database: DatabaseOption = None,
    as_json: AsJson = False,
) -> None:
    """List signing keys by fingerprint. Secrets are not shown."""

    async def work(db: Open) -> tuple[list[KeyReport], float]:
        return await db.read(lambda c: (reports.list_keys(c, owner=owner), db.store.now(c)))

    found, now = Place(database, app, factory).run(work)
    if as_json:
        print_json([{**_described(key), "state": _state(key, now)[0]} for key in found])
    elif found:
        output().print(_listing(found, now))
    else:
        output().print(
            "No keys yet. An owner's key is made with its first delivery, or by: ringback keys create"
        )


@keys.command(epilog="Example: ringback keys create acme")
def create(
    owner: OwnerArgument = "",
    app: AppOption = None,
    factory: FactoryOption = False,
    database: DatabaseOption = None,
    as_json: AsJson = False,
) -> None:
    """Make an owner's signing secret and show it, this once."""

    def made(db: Open, connection: Connection) -> str | None:
        current = [k for k in reports.list_keys(connection, owner=owner) if k.retires_at is None]
        return None if current else db.store.keys.ensure(connection, owner)

    async def work(db: Open) -> str | None:
        return await db.write(lambda c: made(db, c))

    secret = Place(database, app, factory).run(work)
    if secret is None:
        raise RingbackError(
            f"There is a signing key of {whose(owner)} already. Make a new one with: ringback keys rotate "
            + (shlex.quote(owner) if owner else "")
        )
    _show_once(owner, secret, as_json)


@keys.command(epilog="Example: ringback keys rotate acme --overlap 24h")
def rotate(
    owner: OwnerArgument = "",
    overlap: Annotated[
        str, typer.Option(metavar="TIME", help="How long the old secret goes on signing beside it.")
    ] = "24h",
    app: AppOption = None,
    factory: FactoryOption = False,
    database: DatabaseOption = None,
    as_json: AsJson = False,
) -> None:
    """Make a new signing secret and show it, this once. The old one signs too while they overlap."""
    seconds = read_duration(overlap)

    async def work(db: Open) -> str:
        return await db.write(lambda c: db.store.keys.rotate(c, owner, overlap=seconds))

    secret = Place(database, app, factory).run(work)
    _show_once(owner, secret, as_json)
    error_console().print(f"For {span(seconds)} callbacks carry the signatures of both.", style="dim")


def fingerprint(secret: str) -> str:
    """What two people can compare without showing a secret: the start of its SHA-256, in hex."""
    return hashlib.sha256(secret.encode()).hexdigest()[:12]


def _show_once(owner: str, secret: str, as_json: bool) -> None:
    if as_json:
        print_json({"owner": owner, "secret": secret, "fingerprint": fingerprint(secret)})
        return
    output().print(plain(secret), soft_wrap=True)
    error_console().print(
        plain(
            f"This is the secret of {whose(owner)}, fingerprint {fingerprint(secret)}. It is not shown "
            "again: hand it to the receiver on a safe way.",
            "dim",
        )
    )


def _described(key: KeyReport) -> dict[str, object]:
    return {
        "owner": key.owner,
        "fingerprint": fingerprint(key.secret),
        "created_at": key.created_at,
        "retires_at": key.retires_at,
    }


def _state(key: KeyReport, now: float) -> tuple[str, str]:
    """Whether a key signs, in a word and in a sentence."""
    if key.retires_at is None:
        return "current", "signs"
    if key.retires_at > now:
        return "retiring", f"signs beside the current one for {span(key.retires_at - now)} more"
    return "retired", f"has signed nothing since {local_time(key.retires_at)}"


def _listing(found: list[KeyReport], now: float) -> Table:
    rows = table("Owner", "Fingerprint", "Made", "State")
    styles = {"current": STYLES["ok"], "retiring": STYLES["note"], "retired": "dim"}
    for key in found:
        word, sentence = _state(key, now)
        rows.add_row(
            plain(key.owner),
            fingerprint(key.secret),
            local_time(key.created_at),
            plain(f"{word}: {sentence}", styles[word]),
        )
    return rows
