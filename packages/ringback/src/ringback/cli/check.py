"""``ringback check``: play the provider against a running receiver, and judge its answers."""

import asyncio
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from ringback.cli._documents import load_document
from ringback.cli._output import count, error_console, output, plain, print_json, stacked, table
from ringback.kit._declared import Declared, NoSuchCallback, choose, names_of
from ringback.kit.check import Outcome, Report, Result, Severity, as_json, as_junit, check_receiver, curl

__all__ = ["check"]

_SIGNS = {
    (Outcome.PASSED, None): ("✓", "green"),
    (Outcome.LEFT_OUT, None): ("·", "dim"),
    (Outcome.FAILED, Severity.MUST): ("✗ must", "bold red"),
    (Outcome.FAILED, Severity.SHOULD): ("! should", "yellow"),
}


class Format(StrEnum):
    """For whom the report is written."""

    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"


def check(
    url: Annotated[
        str, typer.Argument(metavar="URL", help="The receiver, as you would give it to the provider.")
    ],
    document: Annotated[
        str, typer.Argument(metavar="DOCUMENT", help="The provider's OpenAPI document: a file or a URL.")
    ],
    secret: Annotated[
        list[str] | None,
        typer.Option(
            "--secret",
            metavar="whsec_…",
            envvar="WEBHOOK_SECRET",
            help="What the receiver verifies with; given twice, each must do. Without it, nothing is signed.",
        ),
    ] = None,
    callback: Annotated[
        str, typer.Option("--callback", metavar="NAME", help="Which one, if the document declares several.")
    ] = "",
    value: Annotated[
        list[str] | None,
        typer.Option(
            "--value",
            metavar="NAME=TEXT",
            help="A value in the callback's URL, such as the id of an invoice.",
        ),
    ] = None,
    only: Annotated[
        str, typer.Option("--only", metavar="PATTERN", help="Only checks of this name, as signature.*")
    ] = "*",
    timeout: Annotated[
        float, typer.Option("--timeout", min=0.1, max=120, help="Seconds that an answer may take.")
    ] = 20.0,
    ca: Annotated[
        Path | None,
        typer.Option("--ca", metavar="FILE", help="PEM of an authority to trust besides the system's."),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="What it should do counts like what it must.")
    ] = False,
    form: Annotated[Format, typer.Option("--format", help="For people, programs, or CI servers.")] = (
        Format.TEXT
    ),
) -> None:
    """Send a receiver what a provider might send, right and wrong, and judge what it answers.

    Exit code 1 if it does not do what it must: answer documented events as documented, and believe nothing
    that the provider has not signed. It is really called: let it be one for tests.
    """
    loaded = load_document(document)
    declared = _choose(loaded, document, callback)
    with _progress(form) as bar:
        task = bar.add_task("", total=None)
        report = asyncio.run(
            check_receiver(
                url,
                loaded,
                declared,
                secrets=[one for text in secret or () for one in text.split()],
                values=_values(value or ()),
                only=only,
                timeout=timeout,
                roots=ca,
                progress=lambda done, total, title: bar.update(
                    task, completed=done, total=total, description=title[:60]
                ),
            )
        )
    if form is Format.JSON:
        print_json(as_json(report, strict=strict))
    elif form is Format.JUNIT:
        typer.echo(as_junit(report, strict=strict))
    else:
        _tell(report)
    if report.failed(Severity.MUST) or (strict and report.failed(Severity.SHOULD)):
        raise typer.Exit(1)


def _choose(loaded: dict[str, object], document: str, callback: str) -> Declared:
    try:
        chosen = choose(loaded, [callback] if callback else ())
    except NoSuchCallback as error:
        hint = "--callback" if callback else "DOCUMENT"
        raise typer.BadParameter(f"{document}: {error}", param_hint=hint) from None
    if len(chosen) > 1:
        names = ", ".join(names_of(loaded))
        raise typer.BadParameter(
            f"{document} declares {len(chosen)} callbacks. Choose one with --callback: {names}.",
            param_hint="--callback",
        )
    return chosen[0]


def _values(pairs: list[str] | tuple[str, ...]) -> dict[str, str]:
    values: dict[str, str] = {}
    for pair in pairs:
        name, sign, text = pair.partition("=")
        if not (name and sign and text):
            raise typer.BadParameter(f"{pair!r} is not NAME=TEXT, as id=2expen51ve.", param_hint="--value")
        values[name] = text
    return values


def _progress(form: Format) -> Progress:
    console = error_console()
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    return Progress(*columns, console=console, transient=True, disable=form is not Format.TEXT)


def _tell(report: Report) -> None:
    console = output()
    shown = table("", "check", "what a right receiver does")
    for result in report.results:
        sign, style = _SIGNS[result.outcome, result.worst]
        reason = plain(f"left out: {result.reason}", "dim") if result.reason else plain("")
        shown.add_row(plain(sign, style), plain(result.name), stacked(plain(result.title), reason))
    console.print(shown)
    for result in report.results:
        if result.flaws:
            _tell_flaws(result)
    passed = sum(result.outcome is Outcome.PASSED for result in report.results)
    must, should = len(report.failed(Severity.MUST)), len(report.failed(Severity.SHOULD))
    style = "bold red" if must else "yellow" if should else "bold green"
    summary = f"{count(passed, 'check')} passed, {must} failed that must pass, {should} that should."
    console.print()
    console.print(plain(f"{report.callback} at {report.url}: {summary}", style))


def _tell_flaws(result: Result) -> None:
    console = output()
    for flaw in result.flaws:
        sign, style = _SIGNS[Outcome.FAILED, flaw.severity]
        console.print()
        console.print(plain(sign, style), plain(result.name, "bold"))
        console.print(plain(f"  {flaw.reason}"))
        console.print(plain(f"  {curl(flaw.sent.request)}", "dim"), soft_wrap=True)
