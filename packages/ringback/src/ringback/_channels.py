"""Channels: the ways in which a delivery leaves. HTTP callbacks are built in, an app may add its own."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from ringback._errors import RingbackError
from ringback._schedule import RetrySchedule
from ringback._types import Delivery, Outcome

HTTP: Final = "http"

Handler: TypeAlias = Callable[[Delivery], Awaitable[Outcome]]


@dataclass(frozen=True, slots=True)
class Channel:
    """A durable effect that rides on the outbox: e-mail, a reminder, a message to a queue.

    `handler` makes one attempt and says how it ended; an exception counts as "try again". It has `timeout`
    seconds, and of all deliveries to one destination at most `in_flight` run at once in a worker.
    """

    name: str
    handler: Handler
    schedule: RetrySchedule = field(default_factory=RetrySchedule)
    timeout: float = 20.0
    in_flight: int = 4

    def __post_init__(self) -> None:
        if not self.name.isidentifier() or len(self.name) > 32 or self.name == HTTP:
            raise RingbackError(
                f"{self.name!r} cannot name a channel: give an identifier of at most 32 characters, "
                f"and not {HTTP!r}, which is the built-in one."
            )
