"""What API users see of a delivery: the verdict on their own answer, and nothing about the way to it.

An API user may name any URL. If the words or the times told a refused connection from a filtered one, the
service would scan other people's ports for whoever asks, so those look alike here; operators see all of it.
"""

import re
from datetime import UTC, datetime
from typing import Final

from invoices.invoices.schemas import Delivery
from ringback import DeliveryReport

__all__ = ["delivery_of"]

NO_ANSWER: Final = "no usable answer so far"
GIVEN_UP: Final = "given up: there was no usable answer"

_MINUTE: Final = 60

# The library's words for these rest on the status alone; a breach quotes values, which stay with operators.
_ANSWERED: Final = re.compile(r"(?:given up after [0-9]+ attempts: )?answered ([0-9]{3})[^\n]*")
_OF_THE_ACCOUNT: Final = re.compile(r"cancelled|the endpoint is disabled\b[^\n]*")
_PLACE: Final = re.compile(r"(?:as documented, but the model refuses )?(\$(?:\.\w+|\[[0-9]+\])*)")
_QUOTABLE: Final = re.compile(r"(?:status|media type) [^\n]* is not documented|the body is not JSON")


def delivery_of(report: DeliveryReport, now: datetime) -> Delivery:
    """The report as its API user sees it."""
    state = "pending" if report.state == "sending" else report.state
    return Delivery(
        id=report.id,
        callback=report.callback or "",
        url=report.url,
        state=state,
        attempts=report.attempts,
        next_attempt_at=_next_attempt(report, now) if state == "pending" else None,
        status_code=report.status_code,
        verdict=_verdict(report),
        created_at=datetime.fromtimestamp(report.created_at, UTC),
        finished_at=None if report.finished_at is None else datetime.fromtimestamp(report.finished_at, UTC),
    )


def _next_attempt(report: DeliveryReport, now: datetime) -> datetime:
    """The end of the minute in which it is due, or under way: how long an attempt lasts does not show."""
    due = max(report.next_attempt_at or 0.0, now.timestamp())
    return datetime.fromtimestamp((due // _MINUTE + 1) * _MINUTE, UTC)


def _verdict(report: DeliveryReport) -> str | None:
    words = report.verdict or ""
    if _OF_THE_ACCOUNT.fullmatch(words):
        return words
    answered = _ANSWERED.fullmatch(words)
    if answered and int(answered[1]) == report.status_code:
        return words + _breach(report.breach)
    if report.attempts == 0:
        return None
    return GIVEN_UP if report.state == "dead" else NO_ANSWER


def _breach(breach: str | None) -> str:
    """Where an answer breaks the document; not with which value."""
    if breach is None:
        return ""
    if place := _PLACE.match(breach):
        return f": {place[1]}"
    quotable = _QUOTABLE.match(breach)
    return f": {quotable[0]}" if quotable else ""
