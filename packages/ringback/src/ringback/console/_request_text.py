"""What was sent and what was answered, as text: each field, each byte, and no secret among them."""

import shlex
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from ringback._attempt import USER_AGENT
from ringback._channels import HTTP
from ringback._store.browsing import Dossier
from ringback._store.reports import AttemptReport
from ringback._urls import parse_url
from ringback._verdict import EXCERPT_BYTES
from ringback.console._foreign import MASK, foreign, masked, masked_fields, masked_url
from ringback.console._json_text import pretty_json

__all__ = ["Head", "Passage", "answer_of", "body_of", "curl_of", "head_of"]

_SHOWN: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Passage:
    """A body, ready to be shown. `is_cut` where more of it was there."""

    text: Markup
    size: int
    is_cut: bool = False
    is_json: bool = False


@dataclass(frozen=True, slots=True)
class Head:
    """The request line, and the fields with it."""

    line: str
    fields: list[tuple[str, str]]


def head_of(dossier: Dossier) -> Head | None:
    """The head of every attempt's request; None where a channel delivers otherwise.

    The time is that of the attempt, and the signature is made of it, so both are left open.
    """
    report = dossier.report
    if report.channel != HTTP:
        return None
    url = parse_url(report.url)
    sent = [
        ("Host", url.authority),
        ("Accept-Encoding", "identity"),
        ("Content-Length", str(len(dossier.body))),
        *masked_fields(dossier.headers),
        ("webhook-id", report.id),
        ("webhook-timestamp", "the attempt’s time"),
        ("webhook-signature", MASK),
        ("user-agent", USER_AGENT),
    ]
    return Head(f"{dossier.method} {masked_url(url.target)} HTTP/1.1", sent)


def body_of(dossier: Dossier) -> Passage | None:
    """The bytes that were frozen when the delivery was made."""
    return _passage(dossier.body.decode("utf-8", "backslashreplace"), len(dossier.body))


def answer_of(attempt: AttemptReport) -> Passage | None:
    """The beginning of the answer's body, as it was kept."""
    if not attempt.response:
        return None
    size = len(attempt.response.encode("utf-8", "surrogatepass"))
    passage = _passage(attempt.response, size)
    is_cut = size >= EXCERPT_BYTES
    return None if passage is None else Passage(passage.text, size, is_cut, passage.is_json)


def curl_of(dossier: Dossier, timestamp: int, signature: str) -> str | None:
    """A command that sends the request once more, signed now; None where its body may not be shown whole."""
    try:
        text = dossier.body.decode()
    except UnicodeDecodeError:
        return None
    if masked(text) != text or not text.replace("\n", "").isprintable():
        return None
    sent = [
        *masked_fields(dossier.headers),
        ("webhook-id", dossier.report.id),
        ("webhook-timestamp", str(timestamp)),
        ("webhook-signature", signature),
        ("user-agent", USER_AGENT),
    ]
    parts = [f"curl --include --max-time 20 --request {shlex.quote(dossier.method)}"]
    parts += [f"--header {shlex.quote(f'{name}: {value}')}" for name, value in sent]
    if text:
        parts.append(f"--data-binary {shlex.quote(text)}")
    parts.append(shlex.quote(masked_url(dossier.report.url)))
    return " \\\n  ".join(parts)


def _passage(text: str, size: int) -> Passage | None:
    if not text:
        return None
    is_cut = len(text) > _SHOWN
    shown = masked(text[:_SHOWN])
    laid_out = None if is_cut else pretty_json(shown)
    if laid_out is None:
        return Passage(foreign(shown, lines=True), size, is_cut)
    return Passage(laid_out, size, is_json=True)
