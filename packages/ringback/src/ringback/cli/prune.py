"""``ringback prune``: delete deliveries that ended long ago."""

from functools import partial
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ringback.cli._database import AppOption, DatabaseOption, FactoryOption, Open, Place
from ringback.cli._options import AsJson
from ringback.cli._output import count, error_console, output, print_json
from ringback.cli._times import read_duration, span

__all__ = ["prune"]


def prune(
    older_than: Annotated[
        str, typer.Option("--older-than", metavar="AGE", help="How long ago they ended: 30d, 12h, 90min.")
    ],
    batch: Annotated[
        int, typer.Option(min=1, max=10_000, metavar="N", help="Deliveries in one transaction.")
    ] = 1000,
    app: AppOption = None,
    factory: FactoryOption = False,
    database: DatabaseOption = None,
    as_json: AsJson = False,
) -> None:
    """Delete deliveries that ended long ago, with their attempts, in bounded batches.

    What is not delivered, dead or cancelled yet is never touched, and targets stay.
    """
    age = read_duration(older_than)
    done = Place(database, app, factory).run(partial(_prune, age=age, batch=batch))
    if as_json:
        print_json({"deleted": done})
    else:
        output().print(f"{count(done, 'delivery')} deleted that ended more than {span(age)} ago.")


async def _prune(database: Open, *, age: float, batch: int) -> int:
    operations = database.store.operations
    total = await database.read(partial(operations.count_old, age=age))
    columns = (TextColumn("deleting"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    done = 0
    console = error_console()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("deleting", total=total)
        while deleted := await database.write(partial(operations.prune, age=age, limit=batch)):
            done += deleted
            bar.update(task, completed=done, total=max(done, total))
    return done
