"""mypy --strict and Pyright accept every right call and refuse every wrong one, both in `calls.py`.

basedpyright is Pyright's engine, from PyPI and with all that it needs; `make test-long` runs Pyright itself.
"""

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[3]
CALLS = HERE / "calls.py"

CHECKERS = {
    "mypy": ["mypy", "--no-error-summary"],
    "pyright": ["basedpyright", "--pythonpath", sys.executable, "--project"],
}


def check(checker: str, calls: Path) -> tuple[int, str]:
    project = [str(calls.parent)] if checker == "pyright" else [str(calls)]
    command = [sys.executable, "-m", *CHECKERS[checker], *project]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("checker", CHECKERS)
def test_right_calls_are_accepted_and_wrong_ones_refused(checker: str) -> None:
    code, said = check(checker, CALLS)
    assert code == 0, said


@pytest.mark.parametrize("checker", CHECKERS)
def test_a_wrong_call_that_is_accepted_and_a_right_one_that_is_refused_are_noticed(
    checker: str, tmp_path: Path
) -> None:
    text = CALLS.read_text()
    mended = text.replace('await to.send(invoice_notification, {"paid": True})  #', "await to.send(gone)  #")
    broken = mended.replace("await to.send(notified_async, event)", "await to.send(notified_async, lines)")
    assert len({text, mended, broken}) == 3
    calls = tmp_path / "calls.py"
    calls.write_text(broken)
    (tmp_path / "pyrightconfig.json").write_text((HERE / "pyrightconfig.json").read_text())
    code, said = check(checker, calls)
    assert code == 1, said
    lines = {
        int(line.split("calls.py:")[1].split(":")[0])
        for line in said.splitlines()
        if ": error:" in line or " - error:" in line
    }
    changed = [
        n for n, (a, b) in enumerate(zip(text.splitlines(), broken.splitlines(), strict=True), 1) if a != b
    ]
    assert lines == set(changed)
