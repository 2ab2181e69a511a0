"""The pages on scaffolding and checking say what the commands do."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from ringback._guard import Guard, NetworkPolicy
from ringback._signing import new_secret
from ringback._tls import default_context
from ringback._transport import Transport
from ringback._urls import parse_url
from ringback.cli.check import check
from ringback.cli.scaffold import scaffold
from ringback.kit._calls import Caller
from ringback.kit._declared import choose
from ringback.kit.check._delivery_checks import delivery_checks
from ringback.kit.check._event_checks import invalid_event_checks, unusual_event_checks, valid_event_checks
from ringback.kit.check._provider import Provider
from ringback.kit.check._signature_checks import signature_checks
from ringback.kit.scaffold import project_files

ROOT = Path(__file__).resolve().parents[5]
HOW_TO = (ROOT / "docs/how-to/implement-a-callback.md").read_text()
REFERENCE = (ROOT / "docs/reference/receiver-checks.md").read_text()
COMMANDS = re.findall(r"^    (ringback .*)$", HOW_TO, re.MULTILINE)


def test_the_handler_on_the_page_is_the_one_that_is_made(tutorial: dict[str, Any]) -> None:
    shown = (ROOT / "docs_src/implementing/handlers.txt").read_text()
    assert project_files(tutorial)["receiver/handlers.py"] == shown


@pytest.mark.parametrize("line", COMMANDS)
def test_each_command_on_the_page_is_understood(line: str) -> None:
    _, name, *arguments = shlex.split(line.partition(" > ")[0])
    app = typer.Typer(add_completion=False)
    commands: dict[str, Callable[..., None]] = {"scaffold": scaffold, "check": check}
    app.command()(commands[name])
    typer.main.get_command(app).make_context(name, arguments)  # complains about what it does not know


async def test_the_reference_lists_every_check_with_its_severity(tutorial: dict[str, Any]) -> None:
    listed = {
        name: severity
        for names, severity in re.findall(r"^\| (`.*`.*?) \| (must|should) \|", REFERENCE, re.MULTILINE)
        for name in re.findall(r"`([^`]+)`", names)
    }
    [declared] = choose(tutorial)
    guard = Guard(NetworkPolicy())
    caller = Caller(tutorial, declared, parse_url("http://127.0.0.1/"))
    secrets = [new_secret(), new_secret()]
    provider = Provider(
        caller, secrets, Transport(guard), guard=guard, ssl_context=default_context(), timeout=1
    )
    groups = (
        valid_event_checks,
        unusual_event_checks,
        delivery_checks,
        invalid_event_checks,
        signature_checks,
    )
    played = {check.name: str(check.severity) for group in groups for check in group(provider)}
    families = {name.removesuffix("…"): severity for name, severity in listed.items() if name.endswith("…")}
    exact = {name: severity for name, severity in listed.items() if not name.endswith("…")}
    for name, severity in played.items():
        family = next((kind for start, kind in families.items() if name.startswith(start)), None)
        number = "event.1" if re.fullmatch(r"event\.\d+", name) else name
        assert severity == (family or exact.get(number)), name
    assert set(exact) - set(played) == {"event.parameters"}  # this callback has none
