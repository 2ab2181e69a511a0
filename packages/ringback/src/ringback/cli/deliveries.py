"""``ringback deliveries``: what is owed, what became of it, and steering it."""

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Group
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from ringback._errors import RingbackError
from ringback._store import reports
from ringback._store.filters import Filter
from ringback._store.reports import AttemptReport, DeliveryReport
from ringback._types import State
from ringback.cli._database import AppOption, DatabaseOption, FactoryOption, Open, Place
from ringback.cli._options import AsJson, OwnerFilter, group
from ringback.cli._output import STYLES, count, output, plain, print_json, stacked, table
from ringback.cli._steering import Steering
from ringback.cli._times import local_time, span

__all__ = ["deliveries"]

deliveries = group("deliveries", "What is owed, what became of it, and steering it.")

_STATE_HELP = f"Only in this state: {', '.join(State)}. May be repeated."

Ids = Annotated[list[str] | None, typer.Argument(metavar="ID", help="Deliveries by their ids.")]
States = Annotated[list[State] | None, typer.Option("--state", metavar="STATE", help=_STATE_HELP)]
Key = Annotated[str | None, typer.Option("--key", help="Only what was sent under this key.")]
Channel = Annotated[str | None, typer.Option("--channel", help="Only of this channel, such as http or mail.")]
Endpoint = Annotated[str | None, typer.Option("--endpoint", metavar="URL", help="Only to this endpoint.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@deliveries.command("list", epilog="Example: ringback deliveries list --state dead --owner acme --limit 20")
def list_(
    state: States = None,
    owner: OwnerFilter = None,
    key: Key = None,
    channel: Channel = None,
    endpoint: Endpoint = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="At most so many.")] = 50,
    app: AppOption = None,
    factory: FactoryOption = False,
    database: DatabaseOption = None,
    as_json: AsJson = False,
) -> None:
    """List deliveries, the newest first."""
    wanted = Filter(tuple(state or ()), owner, key, channel, endpoint)

    async def work(db: Open) -> tuple[list[DeliveryReport], float]:
        return await db.read(lambda c: (reports.search(c, wanted, limit=limit), db.store.now(c)))

    found, now = Place(database, app, factory).run(work)
    if as_json:
        print_json(found)
    elif found:
        output().print(_listing(found, now))
        if len(found) == limit:
            output().print(
                f"The newest {limit}; --limit shows more, --state and the others choose.", style="dim"
            )
    else:
        output().print("No deliveries.")


@deliveries.command(epilog="Example: ringback deliveries show msg_019ab3f0c1d2_5e8a01bc")
def show(
    id_: Annotated[str, typer.Argument(metavar="ID", help="The delivery's id, which receivers see too.")],
    app: AppOption = None,
    factory: FactoryOption = False,
    database: DatabaseOption = None,
    as_json: AsJson = False,
) -> None:
    """Show one delivery: what is sent where, and each attempt with its verdict."""

    async def work(db: Open) -> tuple[tuple[DeliveryReport, bytes] | None, list[AttemptReport], float]:
        return await db.read(
            lambda c: (reports.find_delivery(c, id_), reports.list_attempts(c, id_), db.store.now(c))
        )

    found, attempts, now = Place(database, app, factory).run(work)
    if found is None:
        raise RingbackError(
            f"There is no delivery {id_!r} in this database. Look for it with: deliveries list."
        )
    delivery, body = found
    if as_json:
        print_json({**asdict(delivery), "body": body.decode("utf-8", "replace"), "attempts": attempts})
    else:
        output().print(_page(delivery, body, attempts, now))


@deliveries.command(epilog="Example: ringback deliveries replay --owner acme --rate 5")
def replay(  # noqa: PLR0913, PLR0917 - a command has as many options as it needs
    ids: Ids = None,
    state: States = None,
    owner: OwnerFilter = None,
    key: Key = None,
    channel: Channel = None,
    endpoint: Endpoint = None,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="At most so many, the oldest first.")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(min=0.001, metavar="N", help="Spread them: so many become due a second.")
    ] = None,
    yes: Yes = False,
    app: AppOption = None,
    factory: FactoryOption = False,
    database: DatabaseOption = None,
    as_json: AsJson = False,
) -> None:
    """Send finished deliveries again, under their old ids: some by id, or all that match.

    Without --state it takes the dead ones.
    """
    wanted = Filter(tuple(state or (State.DEAD,)), owner, key, channel, endpoint)
    _refuse_states(wanted, State.DELIVERED, State.DEAD, State.CANCELLED)
    gap = 0.0 if rate is None else 1 / rate
    _steer(Steering("replay", gap, yes, as_json), Place(database, app, factory), ids, wanted, limit)


@deliveries.command(epilog="Example: ringback deliveries cancel --owner acme --key 2expen51ve")
def cancel(
    ids: Ids = None,
    state: States = None,
    owner: OwnerFilter = None,
    key: Key = None,
    channel: Channel = None,
    endpoint: Endpoint = None,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="At most so many, the oldest first.")
    ] = None,
    yes: Yes = False,
    app: AppOption = None,
    factory: FactoryOption = False,
    database: DatabaseOption = None,
    as_json: AsJson = False,
) -> None:
    """End deliveries before their next attempt: some by id, or all that match.

    One whose attempt is under way is left alone.
    """
    wanted = Filter(tuple(state or (State.PENDING, State.WAITING)), owner, key, channel, endpoint)
    _refuse_states(wanted, State.PENDING, State.WAITING)
    steering = Steering("cancel", yes=yes, as_json=as_json)
    _steer(steering, Place(database, app, factory), ids, wanted, limit)


def _steer(
    steering: Steering, place: Place, ids: list[str] | None, wanted: Filter, limit: int | None
) -> None:
    if ids:
        steering.by_id(place, ids)
    else:
        steering.matching(place, wanted, limit)


def _refuse_states(wanted: Filter, *possible: State) -> None:
    if not set(wanted.states) <= set(possible):
        raise typer.BadParameter(f"this works on {', '.join(possible)} only", param_hint="--state")


def _listing(found: list[DeliveryReport], now: float) -> Table:
    # Two columns only: ids and URLs stay whole on any terminal, to be copied.
    rows = table("State", "Delivery")
    for one in found:
        attempts = f"{count(one.attempts, 'attempt')}: {one.verdict}" if one.attempts else "no attempt yet"
        rows.add_row(
            plain(one.state, STYLES.get(one.state, "")),
            stacked(
                plain(one.id, "bold"),
                plain(f"{_subject(one)} → {one.url}"),
                plain(f"{_when(one, now)}; {attempts}", "dim"),
                plain(one.breach or "", "yellow"),
            ),
        )
    return rows


def _page(delivery: DeliveryReport, body: bytes, attempts: list[AttemptReport], now: float) -> Panel:
    facts = Table.grid(padding=(0, 2))
    for name, value in (
        ("what", plain(_subject(delivery))),
        ("to", plain(delivery.url)),
        (
            "state",
            stacked(plain(delivery.state, STYLES.get(delivery.state, "")), plain(_when(delivery, now))),
        ),
        ("made", plain(local_time(delivery.created_at))),
        ("note", plain(delivery.note or "", "yellow")),
        ("verdict", plain(delivery.verdict)),
        ("breach", plain(delivery.breach or "", "yellow")),
        ("body", plain(_body(body))),
    ):
        if value:
            facts.add_row(Text(name, style="dim"), value)
    timeline = _timeline(delivery, attempts) if attempts else Text("No attempt yet.", style="dim")
    return Panel(
        Group(facts, Rule("attempts", style="dim", align="left"), timeline),
        title=plain(delivery.id),
        title_align="left",
        expand=False,
    )


def _timeline(delivery: DeliveryReport, attempts: list[AttemptReport]) -> Table:
    rows = table("#", "Began", "Took", "How it went")
    for one in attempts:
        outcome = one.outcome or "under way"
        rows.add_row(
            plain(one.number),
            stacked(plain(local_time(one.started_at)), plain(_since(one, attempts, delivery), "dim")),
            plain("" if one.duration is None else span(one.duration)),
            stacked(
                plain(outcome, STYLES.get(outcome, "")),
                plain(one.verdict or ""),
                plain(one.breach or "", "yellow"),
                plain(f"answer: {one.response}" if one.response else "", "dim"),
                plain(f"by {one.worker}", "dim"),
            ),
        )
    return rows


def _since(attempt: AttemptReport, attempts: list[AttemptReport], delivery: DeliveryReport) -> str:
    before = next(
        (a.started_at for a in reversed(attempts) if a.number < attempt.number), delivery.created_at
    )
    return f"after {span(max(0.0, attempt.started_at - before))}, {attempt.trigger}"


def _subject(delivery: DeliveryReport) -> str:
    what = delivery.callback or delivery.channel
    of = f" of {delivery.key}" if delivery.key else ""
    return f"{what}{of}" + (f", owner {delivery.owner}" if delivery.owner else "")


def _when(delivery: DeliveryReport, now: float) -> str:
    if delivery.finished_at is not None:
        return f"{local_time(delivery.finished_at)}, after {span(delivery.finished_at - delivery.created_at)}"
    if delivery.next_attempt_at is None:
        return "an attempt is under way" if delivery.state == State.SENDING else "behind an earlier one"
    wait = delivery.next_attempt_at - now
    if wait < 0:
        return f"due for {span(-wait)}"
    return f"next attempt in {span(wait)}, at {local_time(delivery.next_attempt_at)}"


def _body(body: bytes) -> str:
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        return body.decode("utf-8", "backslashreplace")
