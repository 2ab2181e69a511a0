"""The pages of endpoints: how they do, and switching them off and on."""

import logging
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ringback._store import browsing
from ringback._store.browsing import EndpointReport
from ringback.console._entrance import visit_of
from ringback.console._rendering import page

if TYPE_CHECKING:
    from ringback.console._console import Console

__all__ = ["routes"]

COUNTED_UP_TO: Final = 1000

logger = logging.getLogger("ringback.console")

_REFERENCE: Final = re.compile(r"[0-9]{1,18}|[A-Za-z_][A-Za-z0-9_.:-]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Health:
    """How an endpoint does, in a word that is also its colour, and in a sentence's beginning."""

    word: str
    endpoint: EndpointReport

    @classmethod
    def of(cls, endpoint: EndpointReport) -> "Health":
        """Disabled, failing, or healthy."""
        if endpoint.disabled_at is not None:
            return cls("disabled", endpoint)
        return cls("failing" if endpoint.failures else "healthy", endpoint)

    @property
    def rate(self) -> int | None:
        """Per cent of the finished deliveries that arrived; None while none has finished."""
        finished = self.endpoint.delivered + self.endpoint.dead
        return None if not finished else int(100 * self.endpoint.delivered / finished)


async def list_(request: Request) -> Response:
    """All endpoints that have something to tell, those in trouble first."""
    console: Console = request.app.state.console
    found, now = await console.desk.read(browsing.list_endpoints)
    order = ("disabled", "failing", "healthy")
    healths = sorted(map(Health.of, found), key=lambda health: order.index(health.word))
    return page(
        request,
        "endpoints.html",
        healths=healths,
        look_back=browsing.LOOK_BACK,
        done=request.query_params.get("done", ""),
        now=now,
    )


async def disable(request: Request) -> Response:
    """Say what disabling would do, and do it."""
    return await _switch(request, "disable")


async def enable(request: Request) -> Response:
    """Say what enabling would do, and do it."""
    return await _switch(request, "enable")


async def rotate(request: Request) -> Response:
    """Say what a new signing secret would do, make it, and show it once."""
    console: Console = request.app.state.console
    endpoint, operator = await _find(request), visit_of(request).operator
    secret = None
    if request.method == "POST":
        secret = await console.desk.rotate(endpoint.owner)
        logger.info("%s: rotate the secret of owner %r from the console", operator, endpoint.owner)
    return page(request, "rotate.html", endpoint=endpoint, secret=secret, is_possible=secret is None)


routes = [
    Route("/endpoints", list_),
    Route("/endpoints/{reference}/rotate", rotate, methods=["GET", "POST"]),
    Route("/endpoints/{reference}/disable", disable, methods=["GET", "POST"]),
    Route("/endpoints/{reference}/enable", enable, methods=["GET", "POST"]),
]


async def _switch(request: Request, what: str) -> Response:
    console: Console = request.app.state.console
    endpoint, root = await _find(request), request.scope["root_path"]
    owner, url, operator = endpoint.owner, endpoint.url, visit_of(request).operator
    is_possible = (what == "enable") == (endpoint.disabled_at is not None)
    if request.method == "POST" and is_possible:
        if what == "disable":
            await console.desk.disable(owner, url, f"disabled by {operator} in the console")
        else:
            await console.desk.enable(owner, url)
        logger.info("%s: %s endpoint %s from the console", operator, what, endpoint.reference)
        return RedirectResponse(f"{root}/endpoints?done={what}", HTTPStatus.SEE_OTHER)
    open_count, now = await console.desk.read(
        lambda connection: browsing.count_open(connection, owner, url, limit=COUNTED_UP_TO)
    )
    return page(
        request,
        f"{what}.html",
        HTTPStatus.OK if is_possible else HTTPStatus.CONFLICT,
        endpoint=endpoint,
        health=Health.of(endpoint),
        open_count=open_count,
        counted_up_to=COUNTED_UP_TO,
        is_possible=is_possible,
        now=now,
    )


async def _find(request: Request) -> EndpointReport:
    console: Console = request.app.state.console
    reference = request.path_params["reference"]
    if not _REFERENCE.fullmatch(reference):
        raise HTTPException(HTTPStatus.NOT_FOUND)
    endpoint, _ = await console.desk.read(lambda connection: browsing.find_endpoint(connection, reference))
    if endpoint is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return endpoint
