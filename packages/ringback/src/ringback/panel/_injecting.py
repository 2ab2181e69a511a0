"""Adds the panel's script to FastAPI's own documentation page, which has no other place for it."""

from html import escape
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["ScriptInPage"]

# The bundle is loaded by a tag with `src`; this one, without attributes, starts it.
_START: Final = b"<script>"
_LARGEST: Final = 1 << 20


class ScriptInPage:
    """Puts a script in front of the one that starts Swagger UI, in one page; the rest passes."""

    def __init__(self, app: ASGIApp, *, page: str, script: str) -> None:
        self.app = app
        self.page = page
        self.script = script

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; complete the page."""
        root = scope.get("root_path", "").rstrip("/")
        is_page = scope["type"] == "http" and scope["path"].removeprefix(root) == self.page
        if not is_page or scope["method"] != "GET":
            await self.app(scope, receive, send)
            return
        await self.app(scope, receive, _Rewriting(send, f"{root}{self.script}"))


class _Rewriting:
    """Holds the head back until the whole page is there."""

    def __init__(self, send: Send, script: str) -> None:
        self._send = send
        self._tag = f'<script src="{escape(script)}"></script>\n'.encode()
        self._start: Message | None = None
        self._body = bytearray()

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            if headers.get("content-type", "").startswith("text/html") and "content-encoding" not in headers:
                self._start = message
                return
        if self._start is None:
            await self._send(message)
            return
        self._body += message.get("body", b"")
        if message.get("more_body", False) and len(self._body) <= _LARGEST:
            return
        start, self._start = self._start, None
        page = bytes(self._body).replace(_START, self._tag + _START, 1)
        if not message.get("more_body", False):
            MutableHeaders(scope=start)["content-length"] = str(len(page))
        else:
            del MutableHeaders(scope=start)["content-length"]
        await self._send(start)
        await self._send({**message, "body": page})
