"""The pages of deliveries: the list, one of them with its attempts, replaying and cancelling it."""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ringback._channels import HTTP
from ringback._store import browsing, finding
from ringback._store.browsing import Dossier, EndpointReport
from ringback._store.finding import Leaf
from ringback._store.operations import ENDED_STATES
from ringback._types import State
from ringback.console._choice import Choice
from ringback.console._entrance import visit_of
from ringback.console._foreign import MASK
from ringback.console._rendering import page
from ringback.console._request_text import Passage, answer_of, body_of, curl_of, head_of

if TYPE_CHECKING:
    from ringback._store.reports import AttemptReport
    from ringback.console._console import Console

__all__ = ["routes"]

ON_A_LEAF: Final = 50
COUNTED: Final = (State.PENDING, State.WAITING, State.SENDING)
COUNTED_UP_TO: Final = 1000
CANCELLABLE: Final = (State.PENDING, State.WAITING)

logger = logging.getLogger("ringback.console")

_ID: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Step:
    """One attempt on the timeline. `waited` is in seconds, since the attempt before or the beginning."""

    attempt: "AttemptReport"
    waited: float
    answer: Passage | None


async def list_(request: Request) -> Response:
    """The deliveries that were chosen, the newest first; an id that is known leads straight to its page."""
    console: Console = request.app.state.console
    choice = Choice.read(request.query_params, console.desk.channels)

    def work(connection: Connection) -> tuple[Leaf, dict[str, int], EndpointReport | None, bool]:
        endpoint = browsing.find_endpoint(connection, choice.endpoint) if choice.endpoint else None
        wanted = choice.filter(endpoint)
        leaf = finding.browse(connection, wanted, before=choice.before, after=choice.after, limit=ON_A_LEAF)
        counts = browsing.count_up_to(connection, COUNTED, COUNTED_UP_TO)
        is_known = bool(_ID.fullmatch(choice.id)) and browsing.is_delivery(connection, choice.id)
        return leaf, counts, endpoint, is_known

    (leaf, counts, endpoint, is_known), now = await console.desk.read(work)
    if is_known:
        return RedirectResponse(f"{request.scope['root_path']}/deliveries/{choice.id}", HTTPStatus.SEE_OTHER)
    return page(
        request,
        "deliveries.html",
        leaf=leaf,
        counts=counts,
        counted_up_to=COUNTED_UP_TO,
        choice=choice,
        endpoint=endpoint,
        states=list(State),
        can_replay=(choice.state or State.DEAD) in ENDED_STATES and bool(leaf.deliveries),
        channels=console.desk.channels,
        now=now,
    )


async def show(request: Request) -> Response:
    """One delivery: what is sent where, every attempt, and what comes next."""
    dossier, now = await _find(request)
    return page(
        request,
        "delivery.html",
        dossier=dossier,
        one=dossier.report,
        steps=list(reversed(_steps(dossier))),
        head=head_of(dossier),
        body=body_of(dossier),
        can_replay=dossier.report.state in ENDED_STATES,
        can_cancel=dossier.report.state in CANCELLABLE,
        done=request.query_params.get("done", ""),
        now=now,
    )


async def curl(request: Request) -> Response:
    """The request as a command, signed now."""
    console: Console = request.app.state.console
    dossier, now = await _find(request)
    report = dossier.report
    if report.channel != HTTP:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    timestamp, signature = await console.desk.sign(report.owner, report.id, dossier.body)
    command = curl_of(dossier, timestamp, signature or MASK)
    return page(
        request,
        "curl.html",
        dossier=dossier,
        one=report,
        command=command,
        is_masked=MASK in (command or ""),
        now=now,
    )


async def replay(request: Request) -> Response:
    """Say what a replay would do, and do it."""
    return await _steer(request, "replay", ENDED_STATES)


async def cancel(request: Request) -> Response:
    """Say what cancelling would do, and do it."""
    return await _steer(request, "cancel", CANCELLABLE)


routes = [
    Route("/deliveries", list_),
    Route("/deliveries/{id}", show),
    Route("/deliveries/{id}/curl", curl),
    Route("/deliveries/{id}/replay", replay, methods=["GET", "POST"]),
    Route("/deliveries/{id}/cancel", cancel, methods=["GET", "POST"]),
]


async def _steer(request: Request, what: str, possible: Sequence[State]) -> Response:
    console: Console = request.app.state.console
    dossier, now = await _find(request)
    id_ = dossier.report.id
    if request.method == "POST":
        if await (console.desk.replay(id_) if what == "replay" else console.desk.cancel(id_)):
            logger.info("%s: %s %s from the console", visit_of(request).operator, what, id_)
            address = f"{request.scope['root_path']}/deliveries/{id_}?done={what}"
            return RedirectResponse(address, HTTPStatus.SEE_OTHER)
        dossier, now = await _find(request)
    is_possible = dossier.report.state in possible
    return page(
        request,
        f"{what}.html",
        HTTPStatus.OK if is_possible else HTTPStatus.CONFLICT,
        dossier=dossier,
        one=dossier.report,
        is_possible=is_possible,
        schedule=console.desk.schedule_of(dossier.report.channel),
        now=now,
    )


async def _find(request: Request) -> tuple[Dossier, float]:
    console: Console = request.app.state.console
    id_ = request.path_params["id"]
    if not _ID.fullmatch(id_):
        raise HTTPException(HTTPStatus.NOT_FOUND)
    dossier, now = await console.desk.read(lambda connection: browsing.open_dossier(connection, id_))
    if dossier is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return dossier, now


def _steps(dossier: Dossier) -> list[Step]:
    steps, since = [], dossier.report.created_at
    for attempt in dossier.attempts:
        steps.append(Step(attempt, max(0.0, attempt.started_at - since), answer_of(attempt)))
        since = attempt.started_at
    return steps
