"""``ringback endpoints``: receivers that fail or are disabled, and switching them off and on."""

import shlex
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.table import Table

from ringback._errors import RingbackError
from ringback._store import reports
from ringback.cli._database import AppOption, DatabaseOption, FactoryOption, Open, Place
from ringback.cli._options import AsJson, OneOwner, OwnerFilter, group, whose
from ringback.cli._output import output, plain, print_json, stacked, table
from ringback.cli._times import local_time, span

__all__ = ["endpoints"]

endpoints = group("endpoints", "Receivers that fail or are disabled, and switching them off and on.")

Url = Annotated[str, typer.Argument(metavar="URL", help="The endpoint: the base URL as it was given.")]


@endpoints.command("list", epilog="Example: ringback endpoints list --owner acme")
def list_(
    owner: OwnerFilter = None,
    app: AppOption = None,
    factory: FactoryOption = False,
    database: DatabaseOption = None,
    as_json: AsJson = False,
) -> None:
    """List endpoints that have failed or are disabled. One that never failed is not listed."""

    async def work(db: Open) -> tuple[list[Mapping[str, Any]], float]:
        return await db.read(lambda c: (reports.list_endpoints(c), db.store.now(c)))

    found, now = Place(database, app, factory).run(work)
    found = [one for one in found if owner in (None, one["owner"])]
    if as_json:
        print_json([{name: one[name] for name in one if name != "id"} for one in found])
    elif found:
        output().print(_listing(found, now))
    else:
        output().print("No endpoint has failed, and none is disabled.")


@endpoints.command(epilog="Example: ringback endpoints disable https://api.acme.example/hooks --owner acme")
def disable(
    url: Url,
    owner: OneOwner = "",
    reason: Annotated[
        str, typer.Option(metavar="TEXT", help="Why; it is shown in lists.")
    ] = "disabled by an operator",
    app: AppOption = None,
    factory: FactoryOption = False,
    database: DatabaseOption = None,
) -> None:
    """Call an endpoint no more. What is owed to it ends as dead, and can be replayed later."""

    async def work(db: Open) -> None:
        await db.write(lambda c: db.store.operations.disable(c, owner, url, reason))

    Place(database, app, factory).run(work)
    output().print(plain(f"{url} is disabled for {whose(owner)}: nothing is sent to it any more."))


@endpoints.command(epilog="Example: ringback endpoints enable https://api.acme.example/hooks --owner acme")
def enable(
    url: Url,
    owner: OneOwner = "",
    app: AppOption = None,
    factory: FactoryOption = False,
    database: DatabaseOption = None,
) -> None:
    """Call an endpoint again. What died meanwhile is for `deliveries replay` to send."""

    async def work(db: Open) -> bool:
        return await db.write(lambda c: db.store.operations.enable(c, owner, url))

    if not Place(database, app, factory).run(work):
        raise RingbackError(
            f"No endpoint {url!r} of {whose(owner)} has failed or was disabled: there is nothing to enable. "
            "`ringback endpoints list` shows them as they are spelled, with their owners."
        )
    of = f"--owner {shlex.quote(owner)} " if owner else ""
    output().print(plain(f"{url} is enabled for {whose(owner)}."))
    output().print(
        plain(f"What died meanwhile is sent by: ringback deliveries replay {of}--endpoint {shlex.quote(url)}")
    )


def _listing(found: list[Mapping[str, Any]], now: float) -> Table:
    rows = table("State", "Endpoint", "Owner", "How it goes")
    for one in found:
        if one["disabled_at"] is not None:
            state, style = "disabled", "bold red"
            news = f"{one['disabled_reason'] or 'no reason given'}, {local_time(one['disabled_at'])}"
        elif one["failures"]:
            state, style = "failing", "yellow"
            since = "" if one["failing_since"] is None else f" for {span(now - one['failing_since'])}"
            news = f"{one['failures']:,} failures in a row{since}"
        else:
            state, style, news = "healthy", "green", "answers again"
        last = one["last_success_at"]
        rows.add_row(
            plain(state, style),
            plain(one["url"]),
            plain(one["owner"]),
            stacked(plain(news), plain("" if last is None else f"last success {local_time(last)}", "dim")),
        )
    return rows
