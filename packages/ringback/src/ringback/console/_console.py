"""The console as an application: who may use it, its pages, and what surrounds them."""

import hashlib
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import urlsplit

from sqlalchemy.exc import DBAPIError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from ringback._errors import RingbackError
from ringback.console import _deliveries, _endpoints, _files, _live, _overview, _replays, _signing_in
from ringback.console._delays import Delays
from ringback.console._desk import Desk
from ringback.console._entrance import Entrance
from ringback.console._figures import Statistician
from ringback.console._headers import SecurityHeaders
from ringback.console._live import Live
from ringback.console._rendering import error_page, make_environment
from ringback.console._sections import Section, places_of
from ringback.console._sessions import Sessions

if TYPE_CHECKING:
    from ringback._ringback import Ringback

__all__ = ["Authenticate", "Console"]

Authenticate: TypeAlias = Callable[[Request], Awaitable[str | None]]
"""Who is asking: the operator's name, or None for somebody who may not. May raise `HTTPException`."""

SHORTEST_SECRET: Final = 32

logger = logging.getLogger("ringback.console")


class Console:
    """An ASGI application to mount: ``app.mount("/console", Console(ringback, secret=...))``.

    Operators sign in with `secret`, at least 32 characters that nobody can guess; whoever has it sees every
    owner's deliveries. Or `authenticate` says who is asking, by what your app knows of a request; then a
    `secret` is needed only where several processes serve the console, since it signs their cookies.

    `base_url` is the address under which browsers reach the site, such as ``https://pay.example``. Give it
    behind a proxy: forms from any other origin are refused, and with ``https`` the cookie is marked secure.
    `title` is what the pages are headed with, `sections` are pages of your own. Raises `RingbackError`
    without a usable secret.
    """

    def __init__(
        self,
        ringback: "Ringback",
        *,
        secret: str | None = None,
        authenticate: Authenticate | None = None,
        base_url: str | None = None,
        title: str = "Ringback",
        sections: Sequence[Section] = (),
        now: Callable[[], float] = time.time,
    ) -> None:
        secret = secret if secret is None else secret.strip()
        _check(secret, authenticate, base_url)
        key = secret.encode() if secret else secrets.token_bytes(32)
        self.desk = Desk(ringback)
        self.statistician = Statistician(self.desk)
        self.live = Live(self.desk)
        self.authenticate = authenticate
        self.title = title
        self.site = urlsplit(base_url) if base_url else None
        self.secret_digest = hashlib.sha256(key).digest()
        self.sessions = Sessions(key, now)
        self.delays = Delays(now)
        folders = [section.templates for section in sections if section.templates is not None]
        self.environment = make_environment(places_of(sections), folders)
        self._app = SecurityHeaders(self._pages(sections))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        await self._app(scope, receive, send)

    def is_secure(self, request: Request) -> bool:
        """Whether browsers reach the console by https."""
        return (self.site.scheme if self.site else request.url.scheme) == "https"

    def origin(self, request: Request) -> str:
        """The origin that the console's own forms come from."""
        if self.site:
            return f"{self.site.scheme}://{self.site.netloc}"
        return f"{request.url.scheme}://{request.headers.get('host', '')}"

    def _pages(self, sections: Sequence[Section]) -> Starlette:
        app = Starlette(
            routes=[
                Route("/", _to_the_first_page),
                Route("/static/{name}", _files.read),
                *_signing_in.routes,
                *_overview.routes,
                *_live.routes,
                *_replays.routes,
                *_deliveries.routes,
                *_endpoints.routes,
                *(route for section in sections for route in section.routes),
            ],
            middleware=[Middleware(Entrance, console=self)],
            exception_handlers={HTTPException: _refused, DBAPIError: _no_database, Exception: _failed},
        )
        # Its redirects are made from the Host header, which anybody can write.
        app.router.redirect_slashes = False
        app.state.console = self
        return app


def _check(secret: str | None, authenticate: Authenticate | None, base_url: str | None) -> None:
    if secret is None and authenticate is None:
        raise RingbackError(
            "A console shows and steers every delivery, so it must know who is asking. Give it "
            "Console(ringback, secret=...), a text of at least 32 characters such as "
            "`python -c 'import secrets; print(secrets.token_urlsafe(32))'` prints, or authenticate=..."
        )
    if secret is not None and len(secret) < SHORTEST_SECRET:
        raise RingbackError(
            f"The console's secret has {len(secret)} characters, and it needs at least {SHORTEST_SECRET}. "
            "Make one with `python -c 'import secrets; print(secrets.token_urlsafe(32))'`."
        )
    if base_url is not None and not base_url.startswith(("http://", "https://")):
        raise RingbackError(
            f"The console's base_url is {base_url!r}; give an address that begins with http:// or https://."
        )


async def _to_the_first_page(request: Request) -> Response:
    return RedirectResponse(f"{request.scope['root_path']}/overview", HTTPStatus.SEE_OTHER)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return error_page(request, error.status_code, error.headers)


async def _no_database(request: Request, error: Exception) -> Response:
    logger.error("the console's database did not answer: %s", getattr(error, "orig", None) or error)
    return error_page(request, HTTPStatus.SERVICE_UNAVAILABLE)


async def _failed(request: Request, _error: Exception) -> Response:
    return error_page(request, HTTPStatus.INTERNAL_SERVER_ERROR)
