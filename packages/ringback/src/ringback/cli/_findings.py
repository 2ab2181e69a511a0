"""What the doctor finds."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding", "note", "ok", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. A note is worth knowing, a problem is to be mended; `remedy` says how."""

    level: Literal["ok", "note", "problem"]
    subject: str
    text: str
    remedy: str = ""


def ok(subject: str, text: str) -> Finding:
    """All is well."""
    return Finding("ok", subject, text)


def note(subject: str, text: str, remedy: str = "") -> Finding:
    """It works, and somebody should know this."""
    return Finding("note", subject, text, remedy)


def problem(subject: str, text: str, remedy: str) -> Finding:
    """It does not work, or not for long."""
    return Finding("problem", subject, text, remedy)
