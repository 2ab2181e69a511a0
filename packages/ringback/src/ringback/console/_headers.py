"""The headers of every answer: nothing foreign is loaded, nobody frames it, nothing is kept."""

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["FRAMED", "SecurityHeaders"]

FRAMED: Final = "ringback.console.framed"
"""Set in the scope of a request whose answer stands in a frame of the console."""

_POLICY: Final = (
    *("default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'"),
    *("connect-src 'self'", "frame-src 'self'", "form-action 'self'"),
    *("base-uri 'none'", "frame-ancestors 'none'"),
)
_ALWAYS: Final[dict[str, str]] = {
    "Content-Security-Policy": "; ".join(_POLICY),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "X-Robots-Tag": "noindex, nofollow",
}


# A document from outside: an origin of its own, nothing runs, its pictures are those that it brings along.
_IN_A_FRAME: Final[dict[str, str]] = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox"
    ),
    "X-Frame-Options": "SAMEORIGIN",
}


class SecurityHeaders:
    """Sets them, over whatever an answer says itself; only files may say that they can be kept."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and complete the head of its answer."""

        async def complete(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                special = _IN_A_FRAME if scope.get(FRAMED) else dict[str, str]()
                for name, value in (_ALWAYS | special).items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self.app(scope, receive, complete)
