"""How the pages say things: durations, moments, numbers, and what each state means."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from ringback._types import State

__all__ = ["MEANINGS", "ago", "capital", "clock", "count", "iso", "per_cent", "span", "stamp"]

MEANINGS: Final[Mapping[str, str]] = {
    State.PENDING: "will be attempted when it is due",
    State.WAITING: "held back until an earlier delivery of the same key has ended",
    State.SENDING: "an attempt is under way",
    State.DELIVERED: "it arrived",
    State.DEAD: "it will not be tried again by itself",
    State.CANCELLED: "somebody withdrew it",
}
"""Each state in words."""

_UNITS: Final = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))


def span(seconds: float) -> str:
    """A duration as people say it: its two largest units."""
    if seconds < 1:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s".replace(".0 ", " ")
    rest, parts = round(seconds), list[tuple[int, str]]()
    for unit, size in _UNITS:
        number, rest = divmod(rest, size)
        if number or parts:
            parts.append((number, unit))
    return " ".join(f"{number} {unit}" for number, unit in parts[:2] if number)


def ago(moment: float, now: float) -> str:
    """How far a moment is away, in its largest unit, such as ``3 min ago`` or ``in 2 h``."""
    distance = abs(now - moment)
    unit, size = next(((unit, size) for unit, size in _UNITS if distance >= size), ("s", 1))
    if distance < 1:
        return "now"
    number = f"{int(distance // size)} {unit}"
    return f"in {number}" if moment > now else f"{number} ago"


def stamp(moment: float) -> str:
    """A moment to the second, in UTC."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def iso(moment: float) -> str:
    """The same for programs (RFC 3339)."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def count(number: int, noun: str) -> str:
    """A number with its noun in the right form."""
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"


def clock(moment: float) -> str:
    """A moment within the last days: its weekday, hour and minute, in UTC."""
    return datetime.fromtimestamp(moment, UTC).strftime("%a %H:%M")


def per_cent(share: float | None) -> str:
    """A share as people read it; never 100 % while anything is missing."""
    if share is None:
        return "none"
    tenths = math.floor(share * 1000 + 1e-9)
    return f"{tenths // 10} %" if tenths % 10 == 0 else f"{tenths / 10:.1f} %"


def capital(text: str) -> str:
    """The text with a capital at its beginning; the rest stays."""
    return text[:1].upper() + text[1:]
