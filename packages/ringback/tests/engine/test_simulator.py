"""Hundreds of made-up histories of apps, workers, receivers and faults; see `testkit.simulator`.

What a seed has found gets a test of its own in `test_simulator_findings.py`: seeds mean something else once
the simulator changes.
"""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from testkit.folders import memory_folder
from testkit.simulator import Outcome, Place, simulate

ROOT = Path(__file__).resolve().parents[4]
FEW, MANY, AT_ONCE = 300, 5000, 100


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    place = Place(tmp_path_factory.mktemp("simulator"))
    yield place
    place.close()


def play(place: Place, seeds: range) -> list[Outcome]:
    outcomes = [simulate(seed, place) for seed in seeds]
    failed = [str(outcome) for outcome in outcomes if outcome.broken]
    assert not failed, "\n".join(["These seeds break rules; to repeat them:", *failed])
    return outcomes


@pytest.mark.parametrize("first", range(0, FEW, AT_ONCE))
def test_whatever_happens_the_rules_hold(place: Place, first: int) -> None:
    outcomes = play(place, range(first, first + AT_ONCE))
    # What never happens in them shows nothing.
    happened = "\n".join(line for outcome in outcomes for line in outcome.trace)
    for event in (
        "is killed", "is stopped until", "is asked to stop", "jumps by", "fails at", "cannot commit",
        "does not hear", "changes its mind", "pending -> waiting", "waiting -> pending", "is given up",
        "given back", "pending -> dead", "sending -> dead", "pending -> cancelled", "deleted",
    ):  # fmt: skip
        assert event in happened
    assert sum(outcome.duplicates for outcome in outcomes) > 0
    assert sum(outcome.requests for outcome in outcomes) > sum(outcome.deliveries for outcome in outcomes)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("first", range(FEW, FEW + MANY, MANY // 10))
def test_the_rules_hold_in_thousands_of_histories(place: Place, first: int, record_property: Any) -> None:
    outcomes = play(place, range(first, first + MANY // 10))
    counted = [
        f"{sum(getattr(outcome, name) for outcome in outcomes):,} {name}"
        for name in ("deliveries", "requests", "duplicates")
    ]
    record_property("figures", ", ".join([f"{len(outcomes)} histories", *counted, "0 broken rules"]))


def digest(seeds: range) -> str:
    """The traces of some seeds, in another process, whose sets and dicts have another order."""
    program = (
        "import hashlib, sys; from pathlib import Path; from tempfile import TemporaryDirectory\n"
        "from testkit.simulator import Place, simulate\n"
        "with TemporaryDirectory(dir=sys.argv[1] or None) as folder:\n"
        "    place = Place(Path(folder))\n"
        f"    traces = [simulate(seed, place).trace for seed in {seeds!r}]\n"
        "print(hashlib.sha256(repr(traces).encode()).hexdigest())"
    )
    command = [sys.executable, "-c", program, memory_folder() or ""]
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": str(ROOT)}
    return subprocess.check_output(command, cwd=ROOT, env=environment, text=True, timeout=100).strip()


def test_the_same_seed_gives_the_same_history_in_every_process(place: Place) -> None:
    seeds = range(1000, 1010)
    here = [simulate(seed, place).trace for seed in seeds]
    assert here == [simulate(seed, place).trace for seed in seeds]
    assert hashlib.sha256(repr(here).encode()).hexdigest() == digest(seeds)
    assert len({repr(trace) for trace in here}) == len(seeds)
