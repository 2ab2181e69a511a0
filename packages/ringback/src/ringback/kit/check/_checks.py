"""A check: a name, what it is about, how grave its failure is, and how it is played."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ringback._message import Request
from ringback.kit.check._judging import accepted, refused
from ringback.kit.check._provider import Provider
from ringback.kit.check._results import Flaw, Severity

__all__ = ["Check", "takes", "turns_away"]


@dataclass(frozen=True, slots=True)
class Check:
    """One check. `title` says what a right receiver does; `play` returns the flaws."""

    name: str
    title: str
    severity: Severity
    play: Callable[[Provider], Awaitable[list[Flaw]]]


def takes(name: str, title: str, severity: Severity, *make: Callable[[Provider], Request]) -> Check:
    """A check whose requests, made and sent one after another, have to be accepted as documented."""

    async def play(provider: Provider) -> list[Flaw]:
        flaws: list[Flaw] = []
        for one in make:
            flaws += accepted(provider, await provider.send(one(provider)), severity)
        return flaws

    return Check(name, title, severity, play)


def turns_away(
    name: str, title: str, severity: Severity, why: str, *make: Callable[[Provider], Request]
) -> Check:
    """A check whose requests have to be refused; `why` begins the sentence that says so."""

    async def play(provider: Provider) -> list[Flaw]:
        flaws: list[Flaw] = []
        for one in make:
            flaws += refused(provider, await provider.send(one(provider)), severity, why)
        return flaws

    return Check(name, title, severity, play)
