"""The command ``ringback``: run workers, look at deliveries and steer them, find out what is wrong."""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import typer
from rich.text import Text
from typer.core import TyperGroup

from ringback._errors import RingbackError
from ringback.cli._output import error_console, plain

__all__ = ["main"]

# Each lives in the module of its name. The nouns among them bring examples of their own.
_EXAMPLES = {
    "worker": "ringback worker shop.main:app --concurrency 500",
    "migrate": "ringback migrate shop.main:app",
    "lint": "ringback lint shop.main:app",
    "scaffold": "ringback scaffold https://api.example.com/openapi.json --out receiver",
    "listen": "ringback listen https://api.example.com/openapi.json --port 8001 --behave 500,ok",
    "check": "ringback check http://127.0.0.1:8001 openapi.json --secret whsec_...",
    "deliveries": "",
    "endpoints": "",
    "keys": "",
    "prune": "ringback prune --older-than 30d",
    "doctor": "ringback doctor shop.main:app --url https://api.acme.example/hooks",
}


class _Commands(TyperGroup):
    """Loads a command when it is named: reading FastAPI's half of the library takes as long as the rest."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = dict.fromkeys(_EXAMPLES)  # type: ignore[assignment]  # None until it is loaded

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - Typer's signature
        """The command of this name, or None."""
        if cmd_name in _EXAMPLES and self.commands[cmd_name] is None:
            self.commands[cmd_name] = _load(cmd_name)
        return self.commands.get(cmd_name)


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 all is well, 1 a problem was found or something was refused, 2 wrong usage.",
)


@app.callback()
def _ringback() -> None:
    """Delivers the callbacks that a FastAPI app declares: run workers, look, steer, find what is wrong."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; what a person can mend is told in a sentence, without a traceback."""
    try:
        app(args=arguments, prog_name="ringback")
    except RingbackError as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"The system refused: {error}.")
    except Exception as error:
        if not _is_of_a_database(error):
            raise
        # Not str(error): that holds the statement and its values, secrets among them.
        reason = getattr(error, "orig", None)
        _fail(f"The database refused: {reason}. `ringback doctor` looks at what it may be.")


def _is_of_a_database(error: Exception) -> bool:
    """Whether SQLAlchemy raised it, without loading SQLAlchemy for commands that need no database."""
    exceptions = sys.modules.get("sqlalchemy.exc")
    return exceptions is not None and isinstance(error, exceptions.DBAPIError)


def _load(name: str) -> Any:
    command = getattr(import_module(f"ringback.cli.{name}"), name)
    if not isinstance(command, typer.Typer):
        alone = typer.Typer(add_completion=False)
        alone.command(name, epilog=f"Example: {_EXAMPLES[name]}")(command)
        command = alone
    return typer.main.get_command(command)


def _fail(text: str) -> None:
    error_console().print(Text("error: ", style="bold red") + plain(text))
    sys.exit(1)
