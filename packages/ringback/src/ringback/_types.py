"""The words of the domain as values: states, exchanges, deliveries. Nothing here does anything."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """Where a delivery stands. Only `pending`, `waiting` and `sending` are open."""

    PENDING = "pending"
    WAITING = "waiting"
    SENDING = "sending"
    DELIVERED = "delivered"
    DEAD = "dead"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Exchange:
    """The request (and its answer) in which a callback's key expression is evaluated.

    Values are those of the HTTP messages, before any model has read them: query values are text (a list
    where the name repeats), bodies are parsed JSON, header names are matched without case.
    """

    query: Mapping[str, str | list[str]] = field(default_factory=dict)
    path: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str | list[str]] = field(default_factory=dict)
    body: Any = None
    url: str | None = None
    method: str | None = None
    status_code: int | None = None
    response_headers: Mapping[str, str | list[str]] = field(default_factory=dict)
    response: Any = None


@dataclass(frozen=True, slots=True)
class Target:
    """Where the callbacks of one key go: the stored result of one `bind`.

    `urls` maps each callback's name to its URL, or to None where the request gave none.
    """

    id: int
    owner: str
    operation: str
    key: str
    urls: Mapping[str, str | None]

    def __bool__(self) -> bool:
        """Whether there is anybody to call."""
        return any(url is not None for url in self.urls.values())


@dataclass(frozen=True, slots=True)
class Delivery:
    """One payload owed to one URL or channel, as its sender and its channel see it.

    `id` is the `webhook-id`, the same in every attempt. `attempt` counts from 1 (0 before the first).
    `payload` is the JSON value; `body` the exact bytes that were frozen when it was sent.
    """

    id: str
    channel: str
    owner: str
    destination: str
    body: bytes
    attempt: int = 0
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a channel's handler says of one attempt.

    `retry_after` is the receiver's own wish in seconds from now; the schedule is never shortened by it.
    """

    state: State
    note: str = ""
    retry_after: float | None = None

    @classmethod
    def delivered(cls, note: str = "") -> "Outcome":
        """The effect happened."""
        return cls(State.DELIVERED, note)

    @classmethod
    def retry(cls, note: str, *, retry_after: float | None = None) -> "Outcome":
        """It did not happen, and a later attempt may succeed."""
        return cls(State.PENDING, note, retry_after)

    @classmethod
    def dead(cls, note: str) -> "Outcome":
        """It did not happen, and no later attempt can succeed."""
        return cls(State.DEAD, note)
