"""``ringback doctor``: find out what is wrong, and say what follows."""

from typing import Annotated

import typer
from rich.table import Table

from ringback._errors import RingbackError
from ringback._guard import Guard, NetworkPolicy
from ringback.cli import _checks, _security_checks
from ringback.cli._database import AppArgument, DatabaseOption, FactoryOption, Place
from ringback.cli._findings import Finding
from ringback.cli._options import AsJson
from ringback.cli._output import STYLES, output, plain, print_json, stacked, table
from ringback.cli._url_verdict import explain

__all__ = ["doctor"]

_SIGNS = {"ok": "✓ ok", "note": "! note", "problem": "✗ problem"}


def doctor(
    app: AppArgument = None,
    factory: FactoryOption = False,
    database: DatabaseOption = None,
    url: Annotated[
        str | None,
        typer.Option("--url", metavar="URL", help="Only say, step by step, whether this URL may be called."),
    ] = None,
    owner: Annotated[
        str, typer.Option("--owner", metavar="NAME", help="With --url: judge by this owner's own rules too.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Look at Python, SQLite, TLS, keys, the database, its tables, clocks, contracts and what waits.

    With an app it reads its contracts and uses its network policy; without, the default policy.
    """
    place = Place(database, app, factory)
    findings = _judge_url(place, url, owner) if url is not None else _look(place)
    if as_json:
        print_json({"ok": all(f.level != "problem" for f in findings), "findings": findings})
    else:
        output().print(_listing(findings))
    if any(finding.level == "problem" for finding in findings):
        raise typer.Exit(1)


def _judge_url(place: Place, url: str, owner: str) -> list[Finding]:
    ringback = place.ringback()
    if ringback is None:
        whose = "the default network policy (name the app to use its own)"
        return explain(Guard(NetworkPolicy()), url, whose)
    guard = ringback.owner_guards.of(owner)
    whose = "" if guard is ringback.guard else f" for {owner!r}"
    return explain(guard, url, f"the app's network policy{whose}")


def _look(place: Place) -> list[Finding]:
    findings = [_checks.python(), _checks.sqlite_library(), _security_checks.openssl()]
    try:
        opened = place.open()
    except RingbackError as error:
        return [*findings, _checks.refused("database", error)]
    if opened.ringback is not None:
        findings += _checks.contracts(opened.ringback)
    findings.append(_security_checks.master_key(opened.master_keys))
    return findings + opened.run(_checks.database)


def _listing(findings: list[Finding]) -> Table:
    rows = table("", "Looked at", "Found")
    for one in findings:
        rows.add_row(
            plain(_SIGNS[one.level], STYLES[one.level]),
            plain(one.subject, "bold"),
            stacked(plain(one.text), plain(one.remedy and f"→ {one.remedy}", "yellow")),
        )
    return rows
