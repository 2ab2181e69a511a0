"""What a check found: flaws with their severity, and the exchange that shows each of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from ringback._message import Failure, Request, Response

__all__ = ["Flaw", "Outcome", "Report", "Result", "Sent", "Severity"]


class Severity(StrEnum):
    """How much a flaw matters.

    `must`: the document or the signature is violated, so events are lost or strangers believed. `should`: it
    works today, and breaks when something unusual or hostile comes.
    """

    MUST = "must"
    SHOULD = "should"


class Outcome(StrEnum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    LEFT_OUT = "left out"


@dataclass(frozen=True, slots=True)
class Sent:
    """One exchange: the request, and the answer or why there was none. `seconds` is how long it took."""

    request: Request
    answer: Response | Failure
    seconds: float

    @property
    def status(self) -> int:
        """The answer's status code; 0 without an answer."""
        return self.answer.status_code if isinstance(self.answer, Response) else 0

    @property
    def in_words(self) -> str:
        """The answer in a few words."""
        if isinstance(self.answer, Failure):
            return f"no answer ({self.answer.detail})"
        return f"{self.answer.status_code}"


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing that is wrong, and the exchange that shows it."""

    severity: Severity
    reason: str
    sent: Sent


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one check. `reason` says why it was left out; flaws have reasons of their own."""

    name: str
    title: str
    severity: Severity
    flaws: tuple[Flaw, ...] = ()
    reason: str = ""

    @property
    def outcome(self) -> Outcome:
        """Failed with any flaw; left out with a reason instead."""
        if self.reason:
            return Outcome.LEFT_OUT
        return Outcome.FAILED if self.flaws else Outcome.PASSED

    @property
    def worst(self) -> Severity | None:
        """The gravest severity among the flaws."""
        found = {flaw.severity for flaw in self.flaws}
        return Severity.MUST if Severity.MUST in found else Severity.SHOULD if found else None


@dataclass(frozen=True, slots=True)
class Report:
    """All that was checked of one receiver."""

    url: str
    callback: str
    results: Sequence[Result]

    def failed(self, severity: Severity) -> list[Result]:
        """The checks whose gravest flaw has this severity."""
        return [result for result in self.results if result.worst is severity]
