"""What the URL's owner is told of an answer: its status, and where it breaks the document; none of its body.

Whoever names a URL must not learn from us whether a port is open, filtered or closed, so all ways to get no
answer have one text here.
"""

import re
from dataclasses import dataclass
from typing import Final

from ringback._types import State
from ringback._verdict import Verdict

__all__ = ["Told", "tell"]

NO_ANSWER: Final = (
    "There was no usable answer. The receiver may not be reachable from here, refuse the connection, have no "
    "valid certificate, not speak HTTP/1.1, or take too long; which of these it was is not told."
)
_GONE: Final = "answered 410: the receiver is gone; a delivery would be given up, and its endpoint disabled"
_PLACE: Final = re.compile(r"(?:as documented, but the model refuses )?(\$(?:\.\w+|\[[0-9]+\])*)")
_QUOTABLE: Final = re.compile(
    r"(?:status|media type) [^\n]{0,300} is not documented|the body cannot be read as JSON"
)
# The ends of messages that hold nothing but the document's own words; what stands before quotes the answer.
_OF_THE_DOCUMENT: Final = (
    re.compile(r': ("[^"]{1,100}" is a required property)$'),
    re.compile(r'.* (is not of type(?:,? "[a-z]+")+)$', re.DOTALL),
)


@dataclass(frozen=True, slots=True)
class Told:
    """The verdict on one answer. `good` is what would count as delivered and documented.

    `breach` is the JSON path of the first breach, with the document's own words where there are some.
    """

    good: bool
    status_code: int | None
    verdict: str
    breach: str | None = None


def tell(verdict: Verdict) -> Told:
    """The verdict for the URL's owner."""
    if verdict.status_code is None:
        return Told(False, None, NO_ANSWER)
    words = _GONE if verdict.disable else verdict.text
    text = words[:1].upper() + words[1:] + "."
    good = verdict.state is State.DELIVERED and verdict.breach is None
    return Told(good, verdict.status_code, text, _breach(verdict.breach))


def _breach(breach: str | None) -> str | None:
    if breach is None:
        return None
    place = _PLACE.match(breach)
    if place is None:
        quotable = _QUOTABLE.match(breach)
        return quotable[0] if quotable else "the answer cannot be read as documented"
    words = next((found[1] for end in _OF_THE_DOCUMENT if (found := end.search(breach))), "")
    return f"{place[1]}: {words}" if words else place[1]
