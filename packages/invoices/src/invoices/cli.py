"""The command ``invoices``."""

import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console
from sqlalchemy.exc import DBAPIError

from invoices import __version__
from invoices.accounts.commands import accounts, migrate
from invoices.operating import OperatorError
from ringback import RingbackError

__all__ = ["main"]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="The invoicing service of FastAPI's callbacks tutorial. Settings come from INVOICES_… variables.",
)
app.add_typer(accounts, name="accounts")
app.command()(migrate)


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port; 0 takes any free one.", min=0, max=65535)] = 8000,
) -> None:
    """Start the service."""
    from invoices.serving import serve as start

    start(host, port)


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="End after the story instead of serving on.")] = False,
    data_dir: Annotated[
        Path | None, typer.Option(help="Where to keep everything; a temporary folder if not given.")
    ] = None,
    database_url: Annotated[
        str, typer.Option(help="Play it on this empty database instead of a SQLite file.")
    ] = "",
) -> None:
    """Play the whole story: an invoice is received, mailed, paid, and called back about."""
    from invoices.demo import play

    raise typer.Exit(play(once=once, data_dir=data_dir, database_url=database_url))


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def main() -> None:
    """Run the command; what an operator can mend is told in words instead of a traceback."""
    try:
        app()
    except Exception as error:
        told = _told(error)
        if told is None:
            raise
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        console.print("[bold red]error:[/] ", end="")
        console.print(told, markup=False)
        sys.exit(1)


def _told(error: Exception) -> str | None:
    if isinstance(error, ValidationError) and error.title == "Settings":
        return "\n".join(_setting(finding) for finding in error.errors())
    if isinstance(error, (OperatorError, RingbackError)):
        return str(error)
    if isinstance(error, (DBAPIError, ConnectionError, socket.gaierror)):
        return f"the database cannot be used: {getattr(error, 'orig', None) or error}"
    return None


def _setting(finding: Mapping[str, Any]) -> str:
    name = "_".join(str(part) for part in finding["loc"])
    reason = str(finding["msg"]).removeprefix("Value error, ")
    return f"INVOICES_{name.upper()}: {reason}" if name else reason
