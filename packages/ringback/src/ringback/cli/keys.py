"""``ringback keys``: the keys that sign callbacks, by owner, and the master keys that encrypt them."""

import shlex
from typing import Annotated

import typer
from rich.table import Table
from sqlalchemy import Connection

from ringback._errors import RingbackError
from ringback._master_keys import VARIABLE
from ringback._sealing import new_master_key
from ringback._signing import V1, V1A, fingerprint
from ringback._store import reports
from ringback._store.reports import KeyReport
from ringback.cli._database import AppOption, DatabaseOption, FactoryOption, Open, Place
from ringback.cli._options import AsJson, OwnerArgument, OwnerFilter, group, whose
from ringback.cli._output import STYLES, count, error_console, output, plain, print_json, table
from ringback.cli._times import local_time, read_duration, span

__all__ = ["keys"]

keys = group("keys", "The keys that sign callbacks, by owner, and the master keys that encrypt them.")

AsPublic = Annotated[
    bool, typer.Option("--v1a", help="A key pair: callbacks carry a v1a signature (Ed25519) too.")
]


@keys.command("list", epilog="Example: ringback keys list --owner acme")
def list_(
    owner: OwnerFilter = None,
    app: AppOption = None,
    factory: FactoryOption = False,
    database: DatabaseOption = None,
    as_json: AsJson = False,
) -> None:
    """List signing keys by fingerprint. Secrets are not shown, public keys are."""

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


@keys.command(epilog="Example: ringback keys create acme --v1a")
def create(
    owner: OwnerArgument = "",
    v1a: AsPublic = False,
    app: AppOption = None,
    factory: FactoryOption = False,
    database: DatabaseOption = None,
    as_json: AsJson = False,
) -> None:
    """Make an owner's signing secret and show it, this once; with --v1a a key pair, and its public half."""
    kind = V1A if v1a else V1

    def made(db: Open, connection: Connection) -> str | None:
        db.store.keys.check(connection)
        known = reports.list_keys(connection, owner=owner)
        if any(key.kind == kind and key.retires_at is None for key in known):
            return None
        return _shown_part(db, connection, owner, kind)

    async def work(db: Open) -> str | None:
        return await db.write(lambda c: made(db, c))

    key = Place(database, app, factory).run(work)
    if key is None:
        command = f"ringback keys rotate {shlex.quote(owner) if owner else ''}".rstrip()
        raise RingbackError(
            f"There is a {kind} key of {whose(owner)} already. Make a new one with: {command}"
            + (" --v1a" if v1a else "")
        )
    _show(owner, key, as_json)


@keys.command(epilog="Example: ringback keys rotate acme --overlap 24h")
def rotate(
    owner: OwnerArgument = "",
    v1a: AsPublic = False,
    overlap: Annotated[
        str, typer.Option(metavar="TIME", help="How long the old key goes on signing beside it.")
    ] = "24h",
    app: AppOption = None,
    factory: FactoryOption = False,
    database: DatabaseOption = None,
    as_json: AsJson = False,
) -> None:
    """Make a new signing key and show it, this once. The old one signs too while they overlap."""
    seconds = read_duration(overlap)
    kind = V1A if v1a else V1

    def made(db: Open, connection: Connection) -> str:
        db.store.keys.check(connection)
        db.store.keys.rotate(connection, owner, overlap=seconds, kind=kind)
        return _shown_part(db, connection, owner, kind)

    async def work(db: Open) -> str:
        return await db.write(lambda c: made(db, c))

    _show(owner, Place(database, app, factory).run(work), as_json)
    error_console().print(f"For {span(seconds)} callbacks carry the signatures of both.", style="dim")


@keys.command("new-master", epilog=f"Example: export {VARIABLE}=$(ringback keys new-master)")
def new_master() -> None:
    """Make a master key, which encrypts signing secrets in the database. It is kept nowhere."""
    typer.echo(new_master_key())
    error_console().print(
        f"Give it to every process as {VARIABLE}, and keep it apart from the database and its backups. To "
        f"let it take over: {VARIABLE}=NEW,OLD everywhere, `ringback keys reencrypt`, then {VARIABLE}=NEW.",
        style="dim",
    )


@keys.command(epilog="Example: ringback keys reencrypt --app shop.main:app")
def reencrypt(
    drop_unreadable: Annotated[
        bool,
        typer.Option(
            "--drop-unreadable", help="Delete keys whose master key is lost; their owners get new ones."
        ),
    ] = False,
    app: AppOption = None,
    factory: FactoryOption = False,
    database: DatabaseOption = None,
) -> None:
    """Encrypt all signing secrets with the first master key, so that older ones can be given up."""

    def done(db: Open, connection: Connection) -> tuple[int, list[str]]:
        dropped = db.store.keys.drop_unreadable(connection) if drop_unreadable else []
        db.store.keys.check(connection)
        return db.store.keys.reencrypt(connection), dropped

    async def work(db: Open) -> tuple[int, list[str]]:
        return await db.write(lambda c: done(db, c))

    changed, dropped = Place(database, app, factory).run(work)
    output().print(f"{count(changed, 'key')} encrypted anew; the first master key opens all of them.")
    for owner in dropped:
        output().print(plain(f"Deleted: the key of {whose(owner)}. Its receiver needs the new one."))


def _shown_part(db: Open, connection: Connection, owner: str, kind: str) -> str:
    """What the receiver gets of the current key, which is made if there is none."""
    if kind == V1A:
        return db.store.keys.ensure_public(connection, owner)
    return db.store.keys.ensure(connection, owner)


def _show(owner: str, key: str, as_json: bool) -> None:
    mark = fingerprint(key)
    is_public = key.startswith("whpk_")
    if as_json:
        print_json({"owner": owner, "public_key" if is_public else "secret": key, "fingerprint": mark})
        return
    output().print(plain(key), soft_wrap=True)
    if is_public:
        text = (
            f"This is the public key of {whose(owner)}, key id {mark}: give it to the receiver, or let it "
            f"ask /.well-known/jwks.json?kid={mark}. Callbacks carry a v1a signature beside the v1 one now."
        )
    else:
        text = (
            f"This is the secret of {whose(owner)}, fingerprint {mark}. It is not shown again: hand it to "
            "the receiver on a safe way."
        )
    error_console().print(plain(text, "dim"))


def _described(key: KeyReport) -> dict[str, object]:
    return {
        "owner": key.owner,
        "kind": key.kind,
        "fingerprint": key.fingerprint,
        "public_key": key.public_key,
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
    public = any(key.public_key for key in found)
    rows = table("Owner", "Kind", "Fingerprint", "Made", "State", *(["Public key"] if public else []))
    styles = {"current": STYLES["ok"], "retiring": STYLES["note"], "retired": "dim"}
    for key in found:
        word, sentence = _state(key, now)
        rows.add_row(
            plain(key.owner),
            key.kind,
            key.fingerprint,
            local_time(key.created_at),
            plain(f"{word}: {sentence}", styles[word]),
            *([plain(key.public_key)] if public else []),
        )
    return rows
