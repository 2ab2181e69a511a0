"""The command ``ringback``: run workers, look at deliveries and steer them, find out what is wrong."""

import sys
from collections.abc import Sequence

import typer
from rich.text import Text
from sqlalchemy.exc import DBAPIError

from ringback._errors import RingbackError
from ringback.cli._output import error_console, plain
from ringback.cli.deliveries import deliveries
from ringback.cli.doctor import doctor
from ringback.cli.endpoints import endpoints
from ringback.cli.keys import keys
from ringback.cli.migrate import migrate
from ringback.cli.prune import prune
from ringback.cli.worker import worker

__all__ = ["main"]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Delivers the callbacks that a FastAPI app declares: run workers, look, steer, find what is wrong.",
    epilog="Exit codes: 0 all is well, 1 a problem was found or something was refused, 2 wrong usage.",
)
app.command(epilog="Example: ringback worker shop.main:app --concurrency 500")(worker)
app.command(epilog="Example: ringback migrate shop.main:app")(migrate)
app.add_typer(deliveries, name="deliveries")
app.add_typer(endpoints, name="endpoints")
app.add_typer(keys, name="keys")
app.command(epilog="Example: ringback prune --older-than 30d")(prune)
app.command(epilog="Example: ringback doctor shop.main:app --url https://api.acme.example/hooks")(doctor)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; what a person can mend is told in a sentence, without a traceback."""
    try:
        app(args=arguments, prog_name="ringback")
    except RingbackError as error:
        _fail(str(error))
    except DBAPIError as error:
        # Not str(error): that holds the statement and its values, secrets among them.
        _fail(f"The database refused: {error.orig}. `ringback doctor` looks at what it may be.")
    except OSError as error:
        _fail(f"The system refused: {error}.")
    except KeyboardInterrupt:
        sys.exit(130)


def _fail(text: str) -> None:
    error_console().print(Text("error: ", style="bold red") + plain(text))
    sys.exit(1)
