"""The command as a whole: help, exit codes, and where things are printed."""

import subprocess
import sys
from typing import Any

import pytest

import ringback.cli

Run = Any

COMMANDS = [
    ("worker",),
    ("migrate",),
    ("lint",),
    ("scaffold",),
    ("check",),
    *(("deliveries", verb) for verb in ("list", "show", "replay", "cancel")),
    *(("endpoints", verb) for verb in ("list", "enable", "disable")),
    *(("keys", verb) for verb in ("list", "create", "rotate")),
    ("prune",),
    ("doctor",),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_each_command_teaches_itself_with_an_example(run: Run, command: tuple[str, ...]) -> None:
    ran = run(*command, "--help")
    assert ran.code == 0
    assert f"Example: ringback {' '.join(command)}" in ran.words


def test_the_help_lists_the_commands_and_the_exit_codes(run: Run) -> None:
    ran = run("-h")
    assert ran.code == 0
    assert {command[0] for command in COMMANDS} <= set(ran.words.split())
    assert "1 a problem was found or something was refused, 2 wrong usage" in ran.words


@pytest.mark.parametrize(
    "arguments", [("worke",), ("deliveries", "lits"), ("prune",), ("keys", "list", "--nosuch")]
)
def test_wrong_usage_ends_with_2_and_says_where_help_is(run: Run, arguments: tuple[str, ...]) -> None:
    ran = run(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert "Try 'ringback" in ran.err


def test_a_word_that_is_nearly_right_is_suggested(run: Run) -> None:
    assert "Did you mean 'worker'?" in run("worke").err


def test_it_runs_as_a_module() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "ringback", "keys", "list", "--database", "sqlite:///nosuch.db"],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith("error: There is no database file")


def test_commands_do_not_load_what_they_do_not_need() -> None:
    program = (
        "import sys, ringback.cli\n"
        "try:\n"
        "    ringback.cli.main(['keys', 'list', '--database', 'sqlite:///nosuch.db'])\n"
        "except SystemExit:\n"
        "    print('fastapi' in sys.modules)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=60
    )
    assert ran.stdout == "False\n"


def test_only_main_is_public() -> None:
    assert ringback.cli.__all__ == ["main"]
