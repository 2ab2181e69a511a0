"""What stands before every page: who is asking, and whether a form was sent from here and on purpose."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, quote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ringback.console._rendering import error_page
from ringback.console._sessions import Session

if TYPE_CHECKING:
    from ringback.console._console import Console

__all__ = ["SIGN_IN", "TOKEN", "Entrance", "Visit", "address_of", "visit_of"]

SIGN_IN: Final = "/sign-in"
TOKEN: Final = "token"  # noqa: S105 - the name of a field
_VISIT: Final = "ringback.console.visit"
_MAX_FORM: Final = 16 * 1024
_MAX_FIELDS: Final = 20
_FORM_SECONDS: Final = 10.0


@dataclass(slots=True)
class Visit:
    """One request of one browser. Another `session` goes out as a cookie when `is_new`."""

    session: Session
    token: str
    operator: str | None
    form: Mapping[str, str] = field(default_factory=dict)
    is_new: bool = False


def visit_of(request: Request) -> Visit:
    """The visit that the entrance has let in."""
    visit: Visit = request.scope[_VISIT]
    return visit


def address_of(request: Request) -> str:
    """The address that the request comes from, as the server knows it."""
    return request.client.host if request.client else "unknown"


class Entrance:
    """Reads the session, holds forms to their origin and token, and sends strangers to the sign-in."""

    def __init__(self, app: ASGIApp, console: "Console") -> None:
        self.app = app
        self._console = console

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request in, or answer it here."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope, receive)
        path = scope["path"].removeprefix(scope["root_path"])
        is_reading = request.method in ("GET", "HEAD")
        if is_reading and path.startswith("/static/"):
            await self.app(scope, receive, send)
            return
        visit = scope[_VISIT] = await self._visit(request)
        # Forms are judged before their sender is: a request from elsewhere is refused in any case.
        refusal = None if is_reading else await self._judge_form(request, visit)
        if refusal is None:
            refusal = await self._judge_visitor(request, visit, path)
        answer = refusal or self.app
        await answer(scope, receive, self._with_cookie(request, visit, send))

    async def _visit(self, request: Request) -> Visit:
        sessions = self._console.sessions
        known = sessions.read(request.cookies.get(self._cookie_name(request)))
        session = known or sessions.begin()
        # A form from another site comes without our cookie: a new one here would sign the operator out.
        is_new = known is None and request.method == "GET"
        return Visit(session, sessions.token(session), session.operator, is_new=is_new)

    async def _judge_visitor(self, request: Request, visit: Visit, path: str) -> Response | None:
        if self._console.authenticate is not None:
            visit.operator = await self._console.authenticate(request)
            return error_page(request, HTTPStatus.FORBIDDEN) if visit.operator is None else None
        if visit.operator is not None or path == SIGN_IN:
            return None
        asked = request.url.query
        wanted = quote(path) + (f"?{asked}" if asked else "") if request.method == "GET" else "/"
        address = f"{request.scope['root_path']}{SIGN_IN}?next={quote(wanted, safe='/')}"
        return RedirectResponse(address, HTTPStatus.SEE_OTHER)

    async def _judge_form(self, request: Request, visit: Visit) -> Response | None:
        if request.method != "POST":
            return error_page(request, HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": "GET, HEAD, POST"})
        if not _is_from_here(request, self._console.origin(request)):
            return error_page(request, HTTPStatus.FORBIDDEN, reason="elsewhere")
        try:
            body = await asyncio.wait_for(_read(request), _FORM_SECONDS)
            fields = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MAX_FIELDS)
        except (ValueError, TimeoutError, ClientDisconnect):
            return error_page(request, HTTPStatus.BAD_REQUEST)
        visit.form = dict(fields)
        if not self._console.sessions.is_token(visit.session, visit.form.get(TOKEN, "")):
            return error_page(request, HTTPStatus.FORBIDDEN, reason="token")
        return None

    def _with_cookie(self, request: Request, visit: Visit, send: Send) -> Send:
        async def complete(message: Message) -> None:
            if message["type"] == "http.response.start" and visit.is_new:
                dressed = Response(headers={})
                dressed.set_cookie(
                    self._cookie_name(request),
                    self._console.sessions.seal(visit.session),
                    path=request.scope["root_path"] or "/",
                    secure=self._console.is_secure(request),
                    httponly=True,
                    samesite="lax",
                )
                cookies = [pair for pair in dressed.raw_headers if pair[0] == b"set-cookie"]
                message = {**message, "headers": [*message["headers"], *cookies]}
            await send(message)

        return complete

    def _cookie_name(self, request: Request) -> str:
        # Browsers take a name with this prefix over https only, so nothing on the way can plant one.
        return "__Secure-ringback-console" if self._console.is_secure(request) else "ringback-console"


def _is_from_here(request: Request, origin: str) -> bool:
    """Whether the browser says that the form stands on a page of this site.

    Under our own ``Referrer-Policy: no-referrer`` browsers send ``Origin: null``; then ``Sec-Fetch-Site``
    speaks, which they send to https and to this machine.
    """
    site, sent = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site not in (None, "same-origin") or sent not in (None, "null", origin):
        return False
    return site is not None or sent == origin


async def _read(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_FORM:
            raise ValueError("too large")
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if body and media_type != "application/x-www-form-urlencoded":
        raise ValueError("not a form of a page")
    return body
