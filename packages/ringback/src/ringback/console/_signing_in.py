"""Signing in with the operator's secret, and out again."""

import hashlib
import hmac
import logging
import math
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ringback.console._entrance import SIGN_IN, Visit, address_of, visit_of
from ringback.console._rendering import page

if TYPE_CHECKING:
    from ringback.console._console import Console

__all__ = ["routes"]

OPERATOR: Final = "operator"

logger = logging.getLogger("ringback.console")

_LOCAL_PATH: Final = re.compile(r"/(?:[A-Za-z0-9._~!$&'()*+,;=:@%-][A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?")


async def sign_in(request: Request) -> Response:
    """The form, and what it sends."""
    console: Console = request.app.state.console
    visit = visit_of(request)
    if console.authenticate is not None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    if request.method != "POST":
        wanted = request.query_params.get("next", "/")
        return _onwards(request, wanted) if visit.operator else _form(request, wanted)
    wanted, address = visit.form.get("next", "/"), address_of(request)
    wait = math.ceil(console.delays.wait(address))
    if wait:
        return _form(request, wanted, HTTPStatus.TOO_MANY_REQUESTS, wait=wait)
    given = hashlib.sha256(visit.form.get("secret", "").strip().encode()).digest()
    if not hmac.compare_digest(given, console.secret_digest):
        console.delays.failed(address)
        logger.warning("somebody at %s gave a wrong secret for the console", address)
        return _form(request, wanted, HTTPStatus.FORBIDDEN, wait=math.ceil(console.delays.wait(address)))
    console.delays.succeeded(address)
    logger.info("an operator signed in to the console from %s", address)
    _change_session(console, visit, OPERATOR)
    return _onwards(request, wanted)


async def sign_out(request: Request) -> Response:
    """End the session, here and for whoever has a copy of its cookie."""
    _change_session(request.app.state.console, visit_of(request), None)
    return RedirectResponse(f"{request.scope['root_path']}{SIGN_IN}", HTTPStatus.SEE_OTHER)


routes = [
    Route(SIGN_IN, sign_in, methods=["GET", "POST"]),
    Route("/sign-out", sign_out, methods=["POST"]),
]


def _change_session(console: "Console", visit: Visit, operator: str | None) -> None:
    console.sessions.end(visit.session)
    visit.session, visit.is_new = console.sessions.begin(operator), True


def _onwards(request: Request, wanted: str) -> Response:
    path = wanted if _LOCAL_PATH.fullmatch(wanted) else "/"
    return RedirectResponse(f"{request.scope['root_path']}{path}", HTTPStatus.SEE_OTHER)


def _form(request: Request, wanted: str, status: HTTPStatus = HTTPStatus.OK, *, wait: int = 0) -> Response:
    headers = {"Retry-After": str(wait)} if wait else None
    is_wrong = status is HTTPStatus.FORBIDDEN
    return page(request, "sign_in.html", status, headers, wanted=wanted, is_wrong=is_wrong, wait=wait)
