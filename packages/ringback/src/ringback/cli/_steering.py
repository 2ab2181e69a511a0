"""Replay and cancel: a few deliveries by id, or all that match, in bounded transactions."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import typer
from rich.progress import Progress
from sqlalchemy import Connection

from ringback._errors import RingbackError
from ringback._store import reports
from ringback._store.filters import Filter
from ringback._store.operations import OperationStore
from ringback.cli._database import Open, Place
from ringback.cli._output import count, error_console, output, plain, print_json

__all__ = ["Steering"]

_BATCH = 500

Verb = Literal["replay", "cancel"]

_DONE = {"replay": "to be sent again", "cancel": "cancelled"}
_REFUSED = {
    "replay": "it is not there, or it has not ended yet",
    "cancel": "it is not there, it has ended, or its attempt is under way",
}


@dataclass(frozen=True, slots=True)
class Steering:
    """What a command asks for. `gap` seconds lie between the due times of what is replayed."""

    verb: Verb
    gap: float = 0.0
    yes: bool = False
    as_json: bool = False

    def by_id(self, place: Place, ids: list[str]) -> None:
        """Steer some by their ids and say what was done; one that is refused ends with exit code 1."""

        def work(operations: OperationStore, connection: Connection) -> dict[str, bool]:
            return {id_: self._one(operations, connection, id_, i) for i, id_ in enumerate(ids)}

        async def run(database: Open) -> dict[str, bool]:
            return await database.write(partial(work, database.store.operations))

        moved = place.run(run)
        done, refused = ([id_ for id_, ok in moved.items() if ok is wanted] for wanted in (True, False))
        if self.as_json:
            print_json({"done": done, "refused": refused})
        else:
            for id_ in done:
                output().print(plain(f"{id_} is {_DONE[self.verb]}."))
        for id_ in refused:
            error_console().print(plain(f"{id_} was left alone: {_REFUSED[self.verb]}.", "red"))
        if refused:
            raise typer.Exit(1)

    def matching(self, place: Place, wanted: Filter, limit: int | None) -> None:
        """Steer all that match, the oldest first, and say how many they were."""
        narrowed = (wanted.owner, wanted.key, wanted.channel, wanted.endpoint) != (None, None, None, None)
        if not narrowed and not self.yes:
            raise typer.BadParameter(
                f"say what to {self.verb}: ids, or a filter such as --owner, --key or --endpoint. "
                "For everything in the given states, add --yes."
            )
        found, done = place.run(partial(self._matching, wanted=wanted, limit=limit))
        if self.as_json:
            print_json({"matched": found, "done": done})
        else:
            output().print(f"{count(done, 'delivery')} {'is' if done == 1 else 'are'} {_DONE[self.verb]}.")

    async def _matching(self, database: Open, *, wanted: Filter, limit: int | None) -> tuple[int, int]:
        found = await database.read(partial(reports.count_deliveries, wanted=wanted))
        number = found if limit is None else min(found, limit)
        if number and not self.yes:
            _ask(f"{self.verb} {count(number, 'delivery')}")
        console = error_console()
        hidden = number <= _BATCH or not console.is_terminal
        with Progress(console=console, transient=True, disable=hidden) as bar:
            task = bar.add_task(self.verb, total=number)
            return found, await self._in_batches(database, wanted, number, partial(bar.advance, task))

    async def _in_batches(
        self, database: Open, wanted: Filter, number: int, advance: Callable[[int], None]
    ) -> int:
        """Many short transactions, so that workers and callers get their turns in between."""
        done = seen = after = 0
        while seen < number:
            step = partial(
                self._batch,
                database.store.operations,
                wanted=wanted,
                after=after,
                seen=seen,
                size=min(_BATCH, number - seen),
            )
            ids, moved = await database.write(step)
            if not ids:
                break
            done, seen, after = done + moved, seen + len(ids), ids[-1]
            advance(len(ids))
        return done

    def _batch(
        self,
        operations: OperationStore,
        connection: Connection,
        *,
        wanted: Filter,
        after: int,
        seen: int,
        size: int,
    ) -> tuple[list[int], int]:
        found = reports.list_ids(connection, wanted, after=after, limit=size)
        moved = sum(self._one(operations, connection, id_, seen + i) for i, (_, id_) in enumerate(found))
        return [row_id for row_id, _ in found], moved

    def _one(self, operations: OperationStore, connection: Connection, id_: str, number: int) -> bool:
        if self.verb == "cancel":
            return operations.cancel(connection, id_)
        return operations.replay(connection, id_, delay=number * self.gap)


def _ask(what: str) -> None:
    if not sys.stdin.isatty():
        raise RingbackError(f"This would {what}, and nobody is there to be asked. Add --yes to do it.")
    typer.confirm(f"{what.capitalize()}?", abort=True, err=True)
