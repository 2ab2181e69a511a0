"""Entries of the journal as JSON values, for programs and for the page."""

import base64
from datetime import UTC, datetime
from typing import Any, Final

from ringback._message import Request
from ringback._urls import Url
from ringback.kit.check import curl
from ringback.kit.listen._checks import Check, Finding
from ringback.kit.listen._journal import Entry
from ringback.kit.listen._signatures import Verifier

__all__ = ["repeated", "summary", "whole"]

# curl writes these itself.
_OF_CONNECTION: Final = {
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "accept-encoding",
    "expect",
}


def summary(entry: Entry) -> dict[str, Any]:
    """One request in a list: what it was, what was found, how it was answered."""
    moment = datetime.fromtimestamp(entry.at, UTC).isoformat(timespec="milliseconds")
    return {
        "number": entry.number,
        "at": moment.replace("+00:00", "Z"),
        "method": entry.incoming.method,
        "target": entry.incoming.target,
        "callback": entry.callback or None,
        "right": entry.is_right,
        "checks": [_check(check) for check in entry.checks],
        "message_id": entry.message_id or None,
        "delivery": entry.delivery,
        "behaviour": entry.behaviour,
        "status": entry.status,
    }


def whole(entry: Entry) -> dict[str, Any]:
    """All of it. `body` is text; where it is none, `body` is null and `body_base64` holds its bytes."""
    incoming = entry.incoming
    try:
        text: str | None = incoming.body.decode()
    except UnicodeDecodeError:
        text = None
    coded = base64.b64encode(incoming.body).decode() if text is None else None
    return {
        **summary(entry),
        "headers": [list(field) for field in incoming.headers],
        "body": text,
        "body_base64": coded,
    }


def repeated(entry: Entry, port: int, verifier: Verifier) -> str:
    """The request as a curl command to the listener; what verified once is signed anew, since time passes."""
    incoming = entry.incoming
    verified = any(check.subject == "signature" and check.finding is Finding.RIGHT for check in entry.checks)
    headers = (verifier.renewed(incoming) if verified else None) or list(incoming.headers)
    path, mark, query = incoming.target.partition("?")
    url = Url("http", "127.0.0.1", port, path, query if mark else None)
    kept = tuple((name, value) for name, value in headers if name not in _OF_CONNECTION)
    return curl(Request(incoming.method, url, kept, incoming.body))


def _check(check: Check) -> dict[str, str]:
    return {"subject": check.subject, "finding": check.finding.value, "text": check.text}
