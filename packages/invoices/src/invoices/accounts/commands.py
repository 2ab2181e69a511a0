"""``invoices accounts …``: what an operator does with API users, on the service's database."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncSession

from invoices import migrations
from invoices.accounts import service
from invoices.database import connect, make_sessions
from invoices.settings import Settings
from ringback import Ringback

__all__ = ["accounts", "migrate"]

Value = TypeVar("Value")

accounts = typer.Typer(no_args_is_help=True, help="API users: their keys and their signing secrets.")

Name = Annotated[str, typer.Argument(help="The account's name.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object instead of a table.")]


@accounts.command()
def create(name: Name, as_json: AsJson = False) -> None:
    """Make an account with its first API key. The key is shown only now."""
    _show(_run(lambda session, ringback: service.create(session, ringback, name)), as_json)


@accounts.command()
def add_key(name: Name, as_json: AsJson = False) -> None:
    """Give an account another API key. It is shown only now; the older keys stay valid."""
    _show(_run(lambda session, ringback: service.add_key(session, ringback, name)), as_json)


@accounts.command()
def show(name: Name, as_json: AsJson = False) -> None:
    """Show an account and the secret that signs its callbacks."""
    _show(_run(lambda session, ringback: service.show(session, ringback, name)), as_json)


@accounts.command("list")
def list_accounts(as_json: AsJson = False) -> None:
    """List every account."""
    rows = _run(lambda session, _ringback: service.listed(session))
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
    _show(_run(lambda session, ringback: service.rotate_secret(session, ringback, name)), as_json)


@accounts.command()
def disable(name: Name) -> None:
    """Refuse an account's requests from now on. Its invoices can still be paid, and are called back."""
    _run(lambda session, _ringback: service.disable(session, name))
    typer.echo(f"Account {name} is disabled.")


def migrate() -> None:
    """Bring the database's tables up to date, those of Ringback too."""
    settings = Settings()
    asyncio.run(_migrate(settings))
    typer.echo(f"The tables are up to date: invoices {migrations.head()}.")


async def _migrate(settings: Settings) -> None:
    async with _opened(settings, migrated=True):
        pass


@asynccontextmanager
async def _opened(settings: Settings, *, migrated: bool) -> AsyncIterator[tuple[Ringback, Any]]:
    """The database and a Ringback that delivers nothing itself, with every table in place."""
    settings.prepare_data_dir()
    engine = connect(settings.database)
    ringback = Ringback(database=engine, worker="external", secret_key=settings.signing_keys)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(migrations.upgrade if migrated else migrations.check)
        if migrated:
            await ringback.migrate()
        sessions = make_sessions(engine)
        async with sessions.begin() as session:
            await service.ensure_default(session)
        yield ringback, sessions
    finally:
        await engine.dispose()


def _run(work: Callable[[AsyncSession, Ringback], Awaitable[Value]]) -> Value:
    async def inside() -> Value:
        settings = Settings()
        async with (
            _opened(settings, migrated=settings.worker == "embedded") as (ringback, sessions),
            sessions.begin() as session,
        ):
            return await work(session, ringback)

    return asyncio.run(inside())


def _show(credentials: service.Credentials, as_json: bool) -> None:
    described = {name: value for name, value in asdict(credentials).items() if value is not None}
    if as_json:
        typer.echo(json.dumps(described))
        return
    for name, value in described.items():
        typer.echo(f"{name.replace('_', ' '):<15} {value}")
    if credentials.api_key:
        typer.echo("The API key is shown only now: keep it, and send it as `Authorization: Bearer …`.")
