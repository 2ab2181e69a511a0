"""What an attempt's end means: the one table of what counts as delivered."""

from typing import Final, NamedTuple

from ringback._types import State

EXCERPT_BYTES: Final = 4096

_HINTS: Final = {
    401: "the receiver wants credentials; callbacks carry a signature instead",
    403: "the receiver refuses callbacks",
    404: "no receiver at this path",
    405: "the receiver does not take this method",
    413: "the receiver finds the body too large",
    415: "the receiver does not take this media type",
    422: "the receiver does not accept the payload",
    429: "the receiver is being called too often",
}


class Verdict(NamedTuple):
    """The end of one attempt, in the words that operators read.

    `state` is delivered, dead, or pending for "again by the schedule". `breach` says what in the answer
    breaks the published document. `retry_after` is the receiver's wish in seconds. `healthy` is None where
    the attempt tells nothing about the endpoint, `reached` None where it tells nothing about the way there.
    `disable` switches the endpoint off.
    """

    state: State
    text: str
    status_code: int | None = None
    breach: str | None = None
    response: str | None = None
    retry_after: float | None = None
    healthy: bool | None = None
    reached: bool | None = None
    disable: bool = False


def judge_answer(
    status_code: int,
    *,
    breach: str | None,
    acknowledged: bool,
    response: str | None = None,
    retry_after: float | None = None,
) -> Verdict:
    """The verdict on an answer whose head came in whole.

    2xx is delivered, even where the body breaks the document: the receiver has acted. It is not when the
    answer is as documented and still does not acknowledge. 410 ends the delivery and its endpoint
    (Standard Webhooks 1.0.0); everything else is tried again.
    """
    state, text, healthy = _of_status(status_code, breach is None, acknowledged)
    return Verdict(
        state=state,
        text=text,
        status_code=status_code,
        breach=breach if state is State.DELIVERED else None,
        response=response,
        retry_after=retry_after,
        healthy=healthy,
        reached=True,
        disable=status_code == 410,
    )


def _of_status(status_code: int, as_documented: bool, acknowledged: bool) -> tuple[State, str, bool]:
    if 200 <= status_code < 300:
        if not as_documented:
            return State.DELIVERED, f"answered {status_code}, not as documented", True
        if not acknowledged:
            return State.PENDING, f"answered {status_code}, but did not acknowledge", False
        return State.DELIVERED, f"answered {status_code} as documented", True
    if 300 <= status_code < 400:
        return State.PENDING, f"answered {status_code}: redirects are not followed", False
    if status_code == 410:
        return State.DEAD, "answered 410: the receiver is gone, its endpoint is disabled", False
    hint = _HINTS.get(status_code)
    return State.PENDING, f"answered {status_code}" + (f": {hint}" if hint else ""), False


def excerpt(body: bytes) -> str | None:
    """The beginning of a body as storable text; what is not UTF-8, and NUL, shows as U+FFFD."""
    if not body:
        return None
    return body[:EXCERPT_BYTES].decode("utf-8", "replace").replace("\x00", "\ufffd")
