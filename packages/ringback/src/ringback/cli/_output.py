"""What the commands print: text that cannot play tricks on the terminal, tables, and JSON."""

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ringback.cli._times import iso_time

__all__ = ["STYLES", "count", "error_console", "output", "plain", "print_json", "stacked", "table"]

_PIPED_WIDTH = 200

STYLES: Mapping[str, str] = {
    "delivered": "green",
    "dead": "bold red",
    "cancelled": "dim",
    "pending": "yellow",
    "waiting": "cyan",
    "sending": "blue",
    "retry": "yellow",
    "under way": "blue",
    "ok": "green",
    "note": "yellow",
    "problem": "bold red",
}
"""The colour of each state of a delivery, outcome of an attempt, and finding."""


def output() -> Console:
    """Where answers go. A pipe has no width, so nothing is folded there."""
    console = Console(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _PIPED_WIDTH
    return console


def error_console() -> Console:
    """Where errors, questions and progress go, so that a pipe gets answers alone."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def plain(value: object, style: str = "") -> Text:
    """Text from outside as it is: no markup, and control characters written out instead of obeyed."""
    if value is None:
        return Text("-", style="dim")
    text = str(value)
    if not text.isprintable():
        text = "".join(c if c.isprintable() or c == "\n" else f"\\u{ord(c):04x}" for c in text)
    return Text(text, style=style, overflow="fold")


def stacked(*lines: Text) -> Text:
    """Several lines in one cell of a table; empty ones are left out."""
    return Text("\n").join(line for line in lines if line)


def table(*headings: str) -> Table:
    """A table that folds what is too long: ids and URLs must be whole to be copied."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", collapse_padding=True)
    for heading in headings:
        made.add_column(heading, overflow="fold")
    return made


def print_json(value: Any) -> None:
    """One JSON value on standard output; times (names that end in ``_at``) as RFC 3339."""
    typer.echo(json.dumps(_for_json(value), indent=2))


def count(number: int, noun: str) -> str:
    """A number with its noun, in the right form."""
    plural = f"{noun[:-1]}ies" if noun.endswith("y") and noun[-2] not in "aeiou" else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"


def _for_json(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {
            name: iso_time(inner) if name.endswith("_at") else _for_json(inner)
            for name, inner in value.items()
        }
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_for_json(inner) for inner in value]
    return value
