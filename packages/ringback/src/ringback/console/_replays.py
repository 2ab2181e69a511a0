"""Replaying all that match: what it would do, and then batch after batch, each in a request of its own.

Nothing of it is kept in this process: how far it has come stands in the form that asks for the next batch, so
that any process can go on, and closing the page stops it.
"""

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ringback._store import browsing, finding
from ringback._store.browsing import EndpointReport
from ringback._store.filters import Filter
from ringback._store.finding import Count, Leaf
from ringback._store.operations import ENDED_STATES
from ringback._types import State
from ringback.console._choice import Choice
from ringback.console._entrance import visit_of
from ringback.console._rendering import page

if TYPE_CHECKING:
    from ringback.console._console import Console

__all__ = ["routes"]

BATCH: Final = 200
COUNTED_UP_TO: Final = 10_000
SHOWN: Final = 5
USUAL_RATE: Final = 20.0
FASTEST: Final = 1000.0

logger = logging.getLogger("ringback.console")


@dataclass(frozen=True, slots=True)
class Run:
    """How far a replay has come. Row ids but for `done`; `started` is in seconds since 1970.

    Of those behind `begin` and not behind `up_to`, all up to `after` have been looked at. A `rate` of 0 is
    as fast as workers can.
    """

    begin: int
    up_to: int
    after: int
    done: int
    started: float
    rate: float

    @classmethod
    def read(cls, form: Mapping[str, str]) -> "Run":
        """What a form says; raises `HTTPException` where it is none of ours."""
        try:
            begin, up_to, after, done = (int(form[name]) for name in ("begin", "up_to", "after", "done"))
            run = cls(begin, up_to, after, done, float(form["started"]), float(form["rate"] or 0))
        except (KeyError, ValueError):
            raise HTTPException(HTTPStatus.BAD_REQUEST) from None
        is_sane = 0 <= begin <= after <= up_to < 2**53 and 0 <= done <= up_to
        if not (is_sane and math.isfinite(run.started) and 0 <= run.rate <= FASTEST):
            raise HTTPException(HTTPStatus.BAD_REQUEST)
        return run

    @property
    def share(self) -> float:
        """How much of it is behind, from 0 to 1."""
        whole = self.up_to - self.begin
        return (self.after - self.begin) / whole if whole else 1.0

    def delay(self, place: int, now: float) -> float:
        """Seconds until the next but `place` is due."""
        gap = 1 / self.rate if self.rate else 0.0
        return max(0.0, self.started + (self.done + place) * gap - now)


async def preview(request: Request) -> Response:
    """Say how many match, which they are, and what replaying them would do."""
    console: Console = request.app.state.console
    choice = _ended(Choice.read(request.query_params, console.desk.channels))

    def work(connection: Connection) -> tuple[EndpointReport | None, Count, Leaf, int, int]:
        endpoint = browsing.find_endpoint(connection, choice.endpoint) if choice.endpoint else None
        wanted = choice.filter(endpoint)
        number = finding.count(connection, wanted, up_to=COUNTED_UP_TO)
        leaf = finding.browse(connection, wanted, before=None, after=None, limit=SHOWN)
        oldest = finding.find(connection, wanted, after=0, limit=1)
        begin = (oldest.ids[0] if oldest.ids else oldest.looked_to or 1) - 1
        return endpoint, number, leaf, begin, finding.newest_id(connection)

    (endpoint, number, leaf, begin, newest), now = await console.desk.read(work)
    return page(
        request,
        "replays.html",
        choice=choice,
        endpoint=endpoint,
        number=number,
        leaf=leaf,
        run=Run(min(begin, newest), newest, min(begin, newest), 0, now, USUAL_RATE),
        fastest=FASTEST,
        schedule=console.desk.schedule_of(choice.channel),
        now=now,
    )


async def go_on(request: Request) -> Response:
    """Replay one batch, and show how far it is."""
    console: Console = request.app.state.console
    visit = visit_of(request)
    choice, run = _ended(Choice.read(visit.form, console.desk.channels)), Run.read(visit.form)
    endpoint, now = await console.desk.read(
        lambda connection: browsing.find_endpoint(connection, choice.endpoint) if choice.endpoint else None
    )
    if run.after == run.begin:
        run = replace(run, started=now)
    run = await _batch(console, choice.filter(endpoint), run)
    is_over = run.after >= run.up_to
    if is_over:
        logger.info("%s: replay of %s deliveries from the console", visit.operator, run.done)
    return page(
        request, "replaying.html", choice=choice, endpoint=endpoint, run=run, is_over=is_over, now=now
    )


routes = [
    Route("/deliveries/replay", preview),
    Route("/deliveries/replay", go_on, methods=["POST"]),
]


async def _batch(console: "Console", wanted: Filter, run: Run) -> Run:
    """Found in a transaction that only reads, so that workers do not wait for a long look."""
    found, now = await console.desk.read(
        lambda connection: finding.find(connection, wanted, after=run.after, up_to=run.up_to, limit=BATCH)
    )
    rows = [(id_, run.delay(place, now)) for place, id_ in enumerate(found.ids)]
    done = await console.desk.replay_all(rows)
    return replace(run, done=run.done + done, after=found.looked_to or run.up_to)


def _ended(choice: Choice) -> Choice:
    return choice if choice.state in ENDED_STATES else replace(choice, state=State.DEAD)
