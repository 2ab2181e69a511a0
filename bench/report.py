"""The figures as people and programs read them: one table, one JSON file."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from bench.catalogue import subject
from bench.lines import Line
from bench.rounds import Rounds, ratio, value


def entry(line: Line, rounds: Rounds) -> dict[str, Any]:
    """One line as the JSON file keeps it."""
    found = ratio(line, rounds)
    return {
        "name": line.name,
        "line": line.title,
        "compared": line.theirs is not None,
        "ours": value(line.ours, rounds),
        "theirs": value(line.theirs, rounds) if line.theirs else None,
        "ratio": found,
        "unit": line.unit,
        "goal": line.goal,
        "goal_is": "at most" if line.at_most else "at least",
        "met": _met(line, found),
    }


def table(entries: Sequence[dict[str, Any]], *, caption: str) -> Table:
    """The table that is printed."""
    shown = Table(title="Ringback, measured", caption=caption, header_style="bold")
    shown.add_column("line")
    for name in ("ours", "theirs", "ratio", "goal"):
        shown.add_column(name, justify="right", no_wrap=True)
    shown.add_column("met?")
    for one in entries:
        alone = not one["compared"]
        sign = "≤" if one["goal_is"] == "at most" else "≥"
        goal = "–" if one["goal"] is None else f"{sign} {one['goal']:g}{' ' + one['unit'] if alone else ''}"
        met = {True: "[green]yes[/]", False: "[red]no[/]", None: "–"}[one["met"]]
        shown.add_row(
            one["line"],
            number(one["ours"], one["unit"]),
            "" if alone else number(one["theirs"], one["unit"]),
            "" if alone or one["ratio"] is None else f"{one['ratio']:.2f}",
            goal,
            met,
        )
    return shown


def number(figure: float | None, unit: str) -> str:
    """A figure with as many digits as mean something."""
    if figure is None:
        return "failed"
    digits = f"{figure:,.0f}" if figure >= 100 else f"{figure:.3g}"
    return f"{digits}{unit}" if unit.startswith("/") else f"{digits} {unit}".rstrip()


def write(
    path: Path, machine: dict[str, Any], entries: Sequence[dict[str, Any]], rounds: Rounds
) -> dict[str, Any]:
    """Add these lines to the results file, before those that were measured earlier; returns all of it."""
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    lines = {one["name"]: one for one in before.get("lines", [])}
    lines |= {one["name"]: {**one, "machine": machine["id"]} for one in entries}
    subjects = before.get("subjects", {})
    subjects |= {name: {"what": subject(name).title, "rounds": values} for name, values in rounds.items()}
    machines = {**before.get("machines", {}), machine["id"]: machine}
    used = {one["machine"] for one in lines.values()}
    document = {
        "machines": {name: facts for name, facts in machines.items() if name in used},
        "lines": list(lines.values()),
        "subjects": subjects,
    }
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return document


def _met(line: Line, found: float | None) -> bool | None:
    if line.goal is None:
        return None
    if found is None:
        return False
    return found <= line.goal if line.at_most else found >= line.goal
