"""``ringback lint``: judge the callbacks of an app or of an OpenAPI document."""

from enum import StrEnum
from typing import Annotated, Any

import typer
from fastapi import FastAPI

from ringback._declarations import examine
from ringback._errors import RingbackError
from ringback._rules.documents import judge_document
from ringback._rules.findings import Finding, Severity
from ringback.cli._database import FactoryOption
from ringback.cli._documents import is_document, load_document
from ringback.cli._loading import load_app
from ringback.cli._output import count, output, plain, print_json

__all__ = ["lint"]

_STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.NOTE: "cyan"}
_SIGNS = {Severity.ERROR: "✗ error", Severity.WARNING: "! warning", Severity.NOTE: "· note"}


class Format(StrEnum):
    """For whom the findings are written."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"


def lint(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET", help="An app, as shop.main:app, or an OpenAPI document: a file or a URL."
        ),
    ],
    factory: FactoryOption = False,
    form: Annotated[Format, typer.Option("--format", help="For people, programs, or GitHub's checks.")] = (
        Format.TEXT
    ),
    allow: Annotated[
        list[str] | None,
        typer.Option(
            "--allow",
            metavar="EXPRESSION",
            help="An expression that may be used although it can carry secrets.",
        ),
    ] = None,
) -> None:
    """Find callbacks that cannot be called as documented, or that FastAPI would lose or falsify.

    Exit code 1 if there is an error. For an app these are the same rules as at its start.
    """
    findings = _findings(target, factory, allow or [])
    if form is Format.JSON:
        print_json({"ok": not any(_is_error(f) for f in findings), "findings": findings})
    elif form is Format.GITHUB:
        for finding in findings:
            typer.echo(_for_github(finding))
    else:
        _tell(target, findings)
    if any(_is_error(finding) for finding in findings):
        raise typer.Exit(1)


def _findings(target: str, factory: bool, allowed: list[str]) -> list[Finding]:
    if is_document(target):
        findings = judge_document(load_document(target), allowed=allowed)
        return [finding.at(finding.where, target) for finding in findings]
    app: Any = load_app(target, factory=factory)
    if not isinstance(app, FastAPI):
        raise RingbackError(
            f"{target} is {type(app).__name__} and not a FastAPI app. Name the app, or add --factory if this "
            "is a function that makes it."
        )
    ringback = getattr(app.state, "ringback", None)
    allowed = [*allowed, *getattr(ringback, "allow_expressions", ())]
    # Without Ringback nobody repairs the tutorial's spelling, so there it is an error.
    return examine(app, allowed=allowed, dialect=ringback is not None)[1]


def _is_error(finding: Finding) -> bool:
    return finding.severity is Severity.ERROR


def _tell(target: str, findings: list[Finding]) -> None:
    console = output()
    for one in findings:
        console.print(plain(_SIGNS[one.severity], _STYLES[one.severity]), plain(one.rule, "dim"))
        console.print(plain(f"  {one.place}", "bold"))
        console.print(plain(f"  {one.message}"))
        console.print(plain(f"  → {one.fix}", "yellow"), end="\n\n")
    errors = sum(_is_error(finding) for finding in findings)
    console.print(plain(f"{target}: {count(errors, 'error')}, {count(len(findings) - errors, 'remark')}."))


def _for_github(finding: Finding) -> str:
    """One of GitHub's workflow commands, which shows beside its line in a pull request."""
    kind = {Severity.NOTE: "notice"}.get(finding.severity, finding.severity.value)
    properties = {"file": finding.file, "line": str(finding.line or ""), "title": f"ringback {finding.rule}"}
    named = ",".join(f"{name}={_escaped(value, ':,')}" for name, value in properties.items() if value)
    return f"::{kind} {named}::{_escaped(f'{finding.where}: {finding.message} {finding.fix}')}"


def _escaped(text: str, more: str = "") -> str:
    for character in ["%", "\r", "\n", *more]:
        text = text.replace(character, f"%{ord(character):02X}")
    return text
