"""What the start-up check and `ringback lint` say: one finding, with its place and its fix."""

from dataclasses import dataclass, replace
from enum import StrEnum

__all__ = ["Finding", "Severity", "error", "note", "warning"]


class Severity(StrEnum):
    """How bad a finding is. Only errors keep an app from starting."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding.

    `rule` is its stable name. `where` says which callback, `file` and `line` (0 where unknown) where it is
    declared; for a document `file` is the document and `where` a JSON Pointer into it.
    """

    severity: Severity
    rule: str
    message: str
    fix: str
    where: str = ""
    file: str = ""
    line: int = 0

    def at(self, where: str, file: str = "", line: int = 0) -> "Finding":
        """The same finding with its place."""
        return replace(self, where=where, file=file, line=line)

    @property
    def place(self) -> str:
        """``file:line: where``, as far as known."""
        position = f"{self.file}:{self.line}" if self.file and self.line else self.file
        return ": ".join(part for part in (position, self.where) if part)

    def __str__(self) -> str:
        return f"{self.place}: {self.message} {self.fix} [{self.rule}]"


def error(rule: str, message: str, fix: str) -> Finding:
    """Something would be lost, wrong or refused by others."""
    return Finding(Severity.ERROR, rule, message, fix)


def warning(rule: str, message: str, fix: str) -> Finding:
    """It works, and somebody will be surprised."""
    return Finding(Severity.WARNING, rule, message, fix)


def note(rule: str, message: str, fix: str) -> Finding:
    """Worth knowing."""
    return Finding(Severity.NOTE, rule, message, fix)
