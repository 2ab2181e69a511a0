"""Takes turns: every subject of a group once, then again, so that figures are compared within a round."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from statistics import median

from bench.catalogue import SUBJECTS, Subject
from bench.given import Numbers
from bench.lines import Line
from bench.surroundings import Surroundings

# figure by figure, one value for each round; a subject that failed in a round has no entry there
Rounds = dict[str, list[Numbers | None]]


def run_rounds(
    lines: Sequence[Line],
    surroundings: Surroundings,
    *,
    rounds: int,
    share: float,
    told: Callable[[Subject, Numbers | str], None],
) -> Rounds:
    """Run what `lines` need, `rounds` times in turn, each with `share` of its usual amount of work."""
    figures: Rounds = {}
    for group in groups(lines):
        for _ in range(rounds):
            for subject in group:
                given = surroundings.given(subject, max(1, int(subject.deliveries * share)))
                numbers = _measure(subject, json.dumps(asdict(given)))
                told(subject, numbers)
                figures.setdefault(subject.name, []).append(None if isinstance(numbers, str) else numbers)
    return figures


def groups(lines: Sequence[Line]) -> list[list[Subject]]:
    """The subjects that lines need, those that take turns together."""
    names = {name for line in lines for name in line.subjects}
    needed = [subject for subject in SUBJECTS if subject.name in names]
    return [[s for s in needed if s.group == group] for group in dict.fromkeys(s.group for s in needed)]


def value(figure: str, rounds: Rounds) -> float | None:
    """The median of one figure; None where it was never measured."""
    values = [number for number in _values(figure, rounds) if number is not None]
    return median(values) if values else None


def ratio(line: Line, rounds: Rounds) -> float | None:
    """The median over the rounds of ours ÷ theirs; the figure itself for a line of its own."""
    if line.theirs is None:
        return value(line.ours, rounds)
    pairs = zip(_values(line.ours, rounds), _values(line.theirs, rounds), strict=True)
    ratios = [ours / theirs for ours, theirs in pairs if ours is not None and theirs]
    return median(ratios) if ratios else None


def _values(figure: str, rounds: Rounds) -> list[float | None]:
    name, _, key = figure.partition(".")
    return [None if numbers is None else numbers.get(key) for numbers in rounds.get(name, [])]


def _measure(subject: Subject, given: str) -> Numbers | str:
    """The figures of one run, or the end of what the process said when it failed."""
    command = [sys.executable, "-m", "bench.child", subject.module]
    if hasattr(os, "sched_setaffinity"):
        command = ["taskset", "-c", "0", *command]
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    if done.returncode or not done.stdout.strip():
        return (
            "\n".join(done.stderr.strip().splitlines()[-8:])
            or f"it ended with {done.returncode} and said nothing"
        )
    numbers: Numbers = json.loads(done.stdout.strip().splitlines()[-1])
    return numbers
