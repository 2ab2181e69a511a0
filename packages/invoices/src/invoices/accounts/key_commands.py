"""``invoices accounts keys …``: an account's API keys, each with its own rights."""

import json
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from invoices.accounts import service
from invoices.accounts.models import ApiKey
from invoices.accounts.opening import run
from invoices.accounts.scopes import Scope

__all__ = ["keys"]

keys = typer.Typer(no_args_is_help=True, help="An account's API keys.")

Name = Annotated[str, typer.Argument(help="The account's name.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of words.")]
Scopes = Annotated[
    list[Scope],
    typer.Option("--scope", help="What the key may be used for; give it several times for several."),
]


@keys.command()
def create(name: Name, scope: Scopes = list(Scope), as_json: AsJson = False) -> None:  # noqa: B006  Typer's form
    """Give an account another key. It is shown only now; the older ones stay valid."""
    made = run(lambda session, _ringback: service.create_key(session, name, scope))
    if as_json:
        typer.echo(json.dumps(asdict(made)))
        return
    typer.echo(f"{'api key':<15} {made.api_key}")
    typer.echo(f"{'scopes':<15} {' '.join(made.scopes)}")
    typer.echo("The API key is shown only now: keep it, and send it as `Authorization: Bearer …`.")


@keys.command("list")
def list_keys(name: Name, as_json: AsJson = False) -> None:
    """List an account's keys by their prefixes, those that were revoked too."""
    rows = run(lambda session, _ringback: service.keys_of(session, name))
    if as_json:
        typer.echo(json.dumps([_described(key) for key in rows]))
        return
    table = Table("Prefix", "Scopes", "Made", "Last used", "State")
    for key in rows:
        state = f"revoked {key.revoked_at:%Y-%m-%d}" if key.revoked_at else "active"
        used = f"{key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never"
        table.add_row(key.prefix, key.scopes, f"{key.created_at:%Y-%m-%d %H:%M}", used, state)
    Console().print(table)


@keys.command()
def revoke(prefix: Annotated[str, typer.Argument(help="The key's beginning, inv_ and 8 letters.")]) -> None:
    """Refuse a key from now on."""
    key = run(lambda session, _ringback: service.revoke_key(session, prefix))
    typer.echo(f"Key {key.prefix} of account {key.account_id} is revoked.")


def _described(key: ApiKey) -> dict[str, Any]:
    return {
        "prefix": key.prefix,
        "scopes": key.scopes.split(),
        "created_at": key.created_at.isoformat(),
        "last_used_at": _text(key.last_used_at),
        "revoked_at": _text(key.revoked_at),
    }


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
