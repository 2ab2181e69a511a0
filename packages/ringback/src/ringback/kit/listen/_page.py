"""The listener's page and its feed, on a port of their own: whatever path the callbacks have stays theirs."""

import asyncio
import ipaddress
import json
import re
import secrets
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl

from ringback.kit._wire import Incoming, encode_answer
from ringback.kit.listen._feed import summary, whole
from ringback.kit.listen._journal import Entry, Journal

__all__ = ["Page"]

_POLICY: Final = (
    *("default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'"),
    *("base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"),
)
_ALWAYS: Final = [
    ("content-security-policy", "; ".join(_POLICY)),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cache-control", "no-store"),
]
_STATIC: Final = Path(__file__).parent / "static"
_FILES: Final[Mapping[str, tuple[str, str]]] = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/mark.svg": ("mark.svg", "image/svg+xml"),
}
_HOST: Final = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[0-9]{1,5})?", re.ASCII | re.IGNORECASE)
_ONE: Final = re.compile(r"/requests/([0-9]{1,15})\.json", re.ASCII)
_HEARTBEAT_SECONDS: Final = 15.0
_LONGEST_WAIT: Final = 60.0
_PORTION: Final = 100


class Page:
    """Shows a journal: ``/`` for people, ``/requests.json`` for programs, ``/events`` as it happens.

    `about` is what the page says of the listener. `command_for` gives the command that repeats an entry.
    Requests must name this machine, an address or one of `names` as their Host: a foreign page whose name was
    rebound to this machine sends its own.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        about: Callable[[], Mapping[str, Any]],
        command_for: Callable[[Entry], str],
        names: Collection[str] = (),
    ) -> None:
        self._journal = journal
        self._about = about
        self._command_for = command_for
        self._names = {name.lower() for name in names} | {"localhost"}
        self._run = secrets.token_hex(4)
        self._files = {path: ((_STATIC / name).read_bytes(), kind) for path, (name, kind) in _FILES.items()}

    async def __call__(
        self, incoming: Incoming, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Answer one request for the page, its files or its feed."""
        path, _, query_text = incoming.target.partition("?")
        query = dict(parse_qsl(query_text))
        if not self._is_for_us(incoming):
            answer = _text(421, "This address must be opened as localhost or by its number (--allow-host).")
        elif incoming.method != "GET":
            answer = _text(405, "The page only shows.")
        elif path == "/events":
            await self._stream(incoming, query, writer)
            return
        elif path in self._files:
            body, kind = self._files[path]
            answer = encode_answer(200, [("content-type", kind), *_ALWAYS], body)
        else:
            answer = await self._data(path, query)
        writer.write(answer)
        await writer.drain()

    async def _data(self, path: str, query: Mapping[str, str]) -> bytes:
        if path == "/listener.json":
            return _json(dict(self._about()))
        if path == "/requests.json":
            after = _number(query.get("after"))
            await self._journal.wait(after, min(float(_number(query.get("wait"))), _LONGEST_WAIT))
            found = self._journal.after(after)
            last = found[-1].number if found else after
            return _json({"requests": [whole(entry) for entry in found], "last": last})
        one = _ONE.fullmatch(path)
        entry = self._journal.find(int(one[1])) if one else None
        if entry is None:
            return _text(404, "There is nothing here; of the requests, only the latest are kept.")
        return _json({**whole(entry), "curl": self._command_for(entry)})

    async def _stream(
        self, incoming: Incoming, query: Mapping[str, str], writer: asyncio.StreamWriter
    ) -> None:
        """Server-sent events: a summary of each request, numbered so that browsers go on where they were."""
        run, _, seen = dict(incoming.headers).get("last-event-id", "").partition("-")
        resumed = run == self._run
        last = _number(seen) if resumed else _number(query.get("after"))
        fields = [("content-type", "text/event-stream"), ("connection", "close"), *_ALWAYS]
        head = "".join(f"{name}: {value}\r\n" for name, value in fields)
        writer.write(f"HTTP/1.1 200 OK\r\n{head}\r\n".encode())
        writer.write(f"event: begin\ndata: {json.dumps({'run': self._run, 'resumed': resumed})}\n\n".encode())
        while not writer.is_closing():
            for entry in self._journal.after(last, _PORTION):
                last = entry.number
                writer.write(f"id: {self._run}-{last}\ndata: {json.dumps(summary(entry))}\n\n".encode())
            await writer.drain()
            if not await self._journal.wait(last, _HEARTBEAT_SECONDS):
                writer.write(b": nothing new\n\n")

    def _is_for_us(self, incoming: Incoming) -> bool:
        hosts = [value for name, value in incoming.headers if name == "host"]
        found = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
        return found is not None and (found[1].lower() in self._names or _is_address(found[1]))


def _json(value: Mapping[str, Any]) -> bytes:
    body = json.dumps(value, indent=1).encode()
    return encode_answer(200, [("content-type", "application/json"), *_ALWAYS], body)


def _text(status: int, text: str) -> bytes:
    return encode_answer(
        status, [("content-type", "text/plain; charset=utf-8"), *_ALWAYS], f"{text}\n".encode()
    )


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) <= 15 else 0


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
