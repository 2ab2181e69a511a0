"""``make bench``: measure every line of the table, print it, keep it."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench import machine, report
from bench.catalogue import Subject
from bench.given import Numbers
from bench.lines import LINES, Line
from bench.plot import draw
from bench.precedence import take_the_other_core
from bench.rounds import groups, run_rounds
from bench.surroundings import Surroundings

RESULTS = Path(__file__).parent / "results"

console = Console()


def main(
    only: Annotated[list[str] | None, typer.Option(help="Lines to measure, by name: a,b.")] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="A fifth of the work, two rounds, not kept.")
    ] = False,
    rounds: Annotated[int | None, typer.Option(min=1, help="How often all take their turn.")] = None,
    show: Annotated[bool, typer.Option("--list", help="Name the lines and stop.")] = False,
    in_memory: Annotated[bool, typer.Option("--in-memory", help="Databases in memory; not kept.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Print every figure of every run.")] = False,
) -> None:
    """Measure what Ringback does beside its peers, as ratios within the same minutes."""
    lines = _chosen(only)
    if show:
        for line in LINES:
            console.print(f"{line.name:24} {line.title}")
        return
    take_the_other_core()
    facts = machine.describe()
    turns = rounds or (2 if quick else 5)
    with _progress(lines, turns) as progress, Surroundings(on_disk=not in_memory) as surroundings:
        task = progress.task_ids[0]

        def told(subject: Subject, numbers: Numbers | str) -> None:
            progress.advance(task)
            if isinstance(numbers, str):
                progress.console.print(f"[red]{subject.title} failed[/]")
                progress.console.print(numbers, markup=False, highlight=False)
            else:
                text = ", ".join(f"{key} {number:,.4g}" for key, number in numbers.items())
                progress.update(task, description=f"{subject.title}: {text}")
                if verbose:
                    progress.console.print(f"{subject.title}: {text}", highlight=False)

        figures = run_rounds(lines, surroundings, rounds=turns, share=0.2 if quick else 1.0, told=told)
    entries = [report.entry(line, figures) for line in lines]
    caption = f"medians of {turns} rounds" + (", a fifth of the work (and of the rows due)" if quick else "")
    console.print(report.table(entries, caption=caption))
    if not (quick or in_memory):
        draw(report.write(RESULTS / "results.json", facts, entries, figures), RESULTS / "results.svg")
    raise typer.Exit(any(one["ours"] is None for one in entries))


def _chosen(only: list[str] | None) -> list[Line]:
    wanted = [name for words in only or [] for name in words.split(",")]
    unknown = set(wanted) - {line.name for line in LINES}
    if unknown:
        raise typer.BadParameter(f"no line is called {', '.join(sorted(unknown))}; --list names them all")
    return [line for line in LINES if not wanted or line.name in wanted]


def _progress(lines: list[Line], rounds: int) -> Progress:
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )
    progress.add_task("Starting", total=rounds * sum(len(group) for group in groups(lines)))
    return progress


if __name__ == "__main__":
    typer.run(main)
