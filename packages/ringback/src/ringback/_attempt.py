"""One attempt of one delivery: sign, send, judge. No database, no loop, and never an exception."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from ringback._channels import Channel
from ringback._errors import InvalidUrl
from ringback._guard import Guard
from ringback._openapi.answer import Answers
from ringback._schedule import parse_retry_after
from ringback._signing import sign
from ringback._tracing import trace_id_of
from ringback._transport import Failure, FailureReason, Request, Response, Transport
from ringback._types import Delivery, Outcome, State
from ringback._urls import parse_url
from ringback._verdict import Verdict, excerpt, judge_answer

logger = logging.getLogger("ringback.attempt")

# What others have chosen is quoted: a line end in it must not begin a line of its own.
LINE = (
    "id=%(id)s attempt=%(attempt)d owner=%(owner)r destination=%(destination)s state=%(state)s "
    "status=%(status)s ms=%(ms)d verdict=%(verdict)r trace=%(trace)s"
)

USER_AGENT = "Ringback/1 (+https://standardwebhooks.com)"

Acknowledgement = Callable[[Any], bool]

_UNSIGNED = "not sent: the owner's signing secret cannot be read here; the worker's log says why"


class Owed(Protocol):
    """What an attempt needs to know of a delivery."""

    @property
    def message_id(self) -> str:
        """The `webhook-id`."""

    @property
    def owner(self) -> str:
        """Whose callback it is."""

    @property
    def destination(self) -> str:
        """What it queues for."""

    @property
    def method(self) -> str:
        """The HTTP method."""

    @property
    def url(self) -> str:
        """Where it goes."""

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Header fields that were frozen with the body."""

    @property
    def body(self) -> bytes:
        """The exact bytes that are signed and sent."""


class HttpAttempts:
    """Makes attempts of HTTP callbacks over one transport."""

    def __init__(
        self,
        transport: Transport,
        *,
        timeout: float,
        guard_of: Callable[[str], Guard],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._transport = transport
        self._timeout = timeout
        self._clock = clock
        self._guard_of = guard_of

    async def make(
        self,
        owed: Owed,
        *,
        secrets: Sequence[str],
        answers: Answers | None,
        acknowledges: Acknowledgement | None = None,
    ) -> Verdict:
        """Send a delivery once and judge what came back by what the document says of `answers`."""
        if not secrets:
            return Verdict(State.PENDING, _UNSIGNED)
        try:
            request = self._request(owed, secrets)
            guard = self._guard_of(owed.owner)
            response = await self._transport.send(
                request, timeout=self._timeout, reuse=owed.owner, guard=guard
            )
        except InvalidUrl as error:  # stored by a version that took it
            return _judge_failure(Failure(FailureReason.BLOCKED, str(error)))
        except Failure as failure:
            return _judge_failure(failure)
        return self._judge(response, answers, acknowledges)

    def _request(self, owed: Owed, secrets: Sequence[str]) -> Request:
        timestamp = int(self._clock())
        signature = sign(secrets, owed.message_id, timestamp, owed.body)
        fields = (
            *owed.headers,
            ("webhook-id", owed.message_id),
            ("webhook-timestamp", str(timestamp)),
            ("webhook-signature", signature),
            ("user-agent", USER_AGENT),
        )
        return Request(owed.method, parse_url(owed.url), fields, owed.body)

    def _judge(
        self, response: Response, answers: Answers | None, acknowledges: Acknowledgement | None
    ) -> Verdict:
        breach, acknowledged = response.body_error, True
        if breach is None and answers is not None and 200 <= response.status_code < 300:
            answer = answers.check(response.status_code, response.headers, response.body)
            breach = answer.breach
            if breach is None and acknowledges is not None:
                acknowledged, breach = _ask(acknowledges, answer.value)
        wish = None if acknowledged and response.status_code < 300 else self._wish(response)
        return judge_answer(
            response.status_code,
            breach=breach,
            acknowledged=acknowledged,
            response=excerpt(response.body),
            retry_after=wish,
        )

    def _wish(self, response: Response) -> float | None:
        """How long the receiver wants to be left alone, in seconds."""
        wish = next((value for name, value in response.headers if name == "retry-after"), None)
        return None if wish is None else parse_retry_after(wish, now=self._clock())


async def make_channel_attempt(channel: Channel, delivery: Delivery) -> Verdict:
    """Hand a delivery to the app's own channel and judge its outcome."""
    try:
        async with asyncio.timeout(channel.timeout):
            outcome: Outcome = await channel.handler(delivery)
    except TimeoutError:
        return Verdict(State.PENDING, f"no end after {channel.timeout:g} s", healthy=False)
    return Verdict(
        state=outcome.state,
        text=outcome.note or outcome.state.value,
        retry_after=outcome.retry_after,
        healthy=outcome.state is State.DELIVERED,
    )


class Ended(Protocol):
    """What the log tells of an attempt's end."""

    @property
    def number(self) -> int:
        """Which attempt it was."""

    @property
    def state(self) -> State:
        """What the delivery is now."""

    @property
    def status_code(self) -> int | None:
        """The answer's status."""

    @property
    def duration(self) -> float:
        """In seconds."""

    @property
    def verdict(self) -> str:
        """In words."""


def log_attempt(owed: Owed, ended: Ended) -> None:
    """Write the one line of an attempt, with fixed field names; bodies and secrets never go in.

    The fields are the record's ``args``, so that a formatter can write them as JSON.
    """
    if logger.isEnabledFor(logging.INFO):
        logger.info(
            LINE,
            {
                "id": owed.message_id,
                "attempt": ended.number,
                "owner": owed.owner,
                "destination": owed.destination.partition(" ")[0],
                "state": ended.state.value,
                "status": ended.status_code,
                "ms": round(ended.duration * 1000),
                "verdict": ended.verdict,
                "trace": trace_id_of(owed.headers),
            },
        )


def _ask(acknowledges: Acknowledgement, value: Any) -> tuple[bool, str | None]:
    try:
        return bool(acknowledges(value)), None
    except Exception as error:  # the app's own predicate: its bug must not lose the delivery
        return True, f"the acknowledgement predicate raised {type(error).__name__}: {error}"


# What went wrong on our own side says nothing about the receiver.
_OUR_OWN = {
    FailureReason.BLOCKED,
    FailureReason.INVALID_REQUEST,
    FailureReason.LOCAL_RESOURCES,
    FailureReason.PROXY,
}


def _judge_failure(failure: Failure) -> Verdict:
    reached = None if failure.reason in _OUR_OWN else False
    words = str(failure.reason.value).replace("_", " ")
    text = f"{words}: {failure.detail}" if failure.detail else words
    return Verdict(State.PENDING, text, healthy=reached, reached=reached)
