"""What was looked at in one request, and what was found."""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Check", "Finding"]


class Finding(StrEnum):
    """How one thing is: as it must be, not so, or not looked at."""

    RIGHT = "right"
    WRONG = "wrong"
    UNCHECKED = "unchecked"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing about a request: `subject` is path, query, headers, body or signature, `text` is in words."""

    subject: str
    finding: Finding
    text: str
