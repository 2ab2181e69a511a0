"""``invoices accounts …``: what an operator does with API users, on the service's database."""

import asyncio
import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from invoices import migrations
from invoices.accounts import service
from invoices.accounts.key_commands import keys
from invoices.accounts.opening import opened, run
from invoices.settings import Settings

__all__ = ["accounts", "migrate"]

accounts = typer.Typer(no_args_is_help=True, help="API users: their keys and their signing secrets.")
accounts.add_typer(keys, name="keys")

Name = Annotated[str, typer.Argument(help="The account's name.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object instead of a table.")]


@accounts.command()
def create(name: Name, as_json: AsJson = False) -> None:
    """Make an account with its first API key. The key is shown only now."""
    _show(run(lambda session, ringback: service.create(session, ringback, name)), as_json)


@accounts.command()
def show(name: Name, as_json: AsJson = False) -> None:
    """Show an account and the secret that signs its callbacks."""
    _show(run(lambda session, ringback: service.show(session, ringback, name)), as_json)


@accounts.command("list")
def list_accounts(as_json: AsJson = False) -> None:
    """List every account."""
    rows = run(lambda session, _ringback: service.listed(session))
    if as_json:
        described = [
            {
                "account": account.id,
                "keys": count,
                "created_at": account.created_at.isoformat(),
                "disabled_at": account.disabled_at.isoformat() if account.disabled_at else None,
            }
            for account, count in rows
        ]
        typer.echo(json.dumps(described))
        return
    table = Table("Account", "Keys", "Made", "State")
    for account, count in rows:
        state = f"disabled {account.disabled_at:%Y-%m-%d}" if account.disabled_at else "active"
        table.add_row(account.id, str(count), f"{account.created_at:%Y-%m-%d %H:%M}", state)
    Console().print(table)


@accounts.command()
def rotate_secret(name: Name, as_json: AsJson = False) -> None:
    """Make a new signing secret. For 24 hours callbacks carry the signatures of both."""
    _show(run(lambda session, ringback: service.rotate_secret(session, ringback, name)), as_json)


@accounts.command()
def public_key(
    name: Name,
    rotate: Annotated[bool, typer.Option("--rotate", help="Make a new one; both sign for 24 hours.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the key by which receivers verify without a secret. Callbacks carry its signature too then."""
    found = asdict(run(lambda session, ringback: service.public_key(session, ringback, name, rotate=rotate)))
    found["key_set"] = f"{Settings().site}/.well-known/jwks.json?kid={found['key_id']}"
    if as_json:
        typer.echo(json.dumps(found))
        return
    for field, value in found.items():
        typer.echo(f"{field.replace('_', ' '):<15} {value}")


@accounts.command()
def disable(name: Name) -> None:
    """Refuse an account's requests from now on. Its invoices can still be paid, and are called back."""
    run(lambda session, _ringback: service.disable(session, name))
    typer.echo(f"Account {name} is disabled.")


def migrate() -> None:
    """Bring the database's tables up to date, those of Ringback too."""
    settings = Settings()
    asyncio.run(_migrate(settings))
    typer.echo(f"The tables are up to date: invoices {migrations.head()}.")


async def _migrate(settings: Settings) -> None:
    async with opened(settings, migrated=True):
        pass


def _show(credentials: service.Credentials, as_json: bool) -> None:
    described = {name: value for name, value in asdict(credentials).items() if value is not None}
    if as_json:
        typer.echo(json.dumps(described))
        return
    for name, value in described.items():
        typer.echo(f"{name.replace('_', ' '):<15} {value}")
    if credentials.api_key:
        typer.echo("The API key is shown only now: keep it, and send it as `Authorization: Bearer …`.")
