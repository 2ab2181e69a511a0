"""A resolver with written answers, and a witness of every connect that the process attempts."""

import sys
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from typing import Any

import pytest

from ringback._resolver import Unresolved
from ringback._urls import IPAddress


class Names:
    """Answers by host: addresses separated by blanks, several rounds by ``|``; counts the questions."""

    def __init__(self, answers: dict[str, str]) -> None:
        self.rounds = {host: [part.split() for part in text.split("|")] for host, text in answers.items()}
        self.asked: list[str] = []

    async def resolve(self, host: str) -> Sequence[IPAddress]:
        self.asked.append(host)
        rounds = self.rounds.get(host)
        if rounds is None:
            raise Unresolved(f"the name {host} has no address")
        answer = rounds.pop(0) if len(rounds) > 1 else rounds[0]
        return [ip_address(text) for text in answer]


_seen: list[Any] | None = None


def _witness(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect" and _seen is not None:
        _seen.append(arguments[1][:2])
        raise PermissionError(1, "no connection leaves this test")


sys.addaudithook(_witness)


@pytest.fixture
def connects() -> Iterator[list[tuple[str, int]]]:
    """Every (address, port) that any code of this process tries to connect to; none gets through."""
    global _seen  # noqa: PLW0603
    found: list[tuple[str, int]] = []
    _seen = found
    yield found
    _seen = None


@pytest.fixture
def names() -> type[Names]:
    return Names
