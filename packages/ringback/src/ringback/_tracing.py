"""One trace from the request that owes a delivery to the attempts that make it, where OpenTelemetry is there.

The span in which a delivery is made is kept with it as a ``traceparent`` (W3C Trace Context), which is sent
too. Where the app has no OpenTelemetry, or no trace is under way, nothing of this happens.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

trace: Any
try:
    from opentelemetry import trace
except ModuleNotFoundError:  # it is an extra: ringback[otel]
    trace = None

__all__ = ["TRACEPARENT", "Attempting", "attempting", "parent_of", "trace_id_of", "with_parent"]

TRACEPARENT: Final = "traceparent"

_FORM: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")

Fields = Sequence[Sequence[str]]


class Owed(Protocol):
    """What a span tells of a delivery."""

    @property
    def message_id(self) -> str:
        """Its id, as receivers see it."""

    @property
    def channel(self) -> str:
        """How it leaves."""

    @property
    def callback(self) -> str | None:
        """Which callback it is."""

    @property
    def destination(self) -> str:
        """Scheme, host, port and owner, or the channel's own word."""

    @property
    def number(self) -> int:
        """Which attempt it is."""


@dataclass(slots=True)
class Attempting:
    """An attempt under way: `traceparent` is what its request carries."""

    traceparent: str
    span: Any

    def ended(self, state: str, status_code: int | None, verdict: str) -> None:
        """Say how it went."""
        if status_code is not None:
            self.span.set_attribute("http.response.status_code", status_code)
        self.span.set_attribute("ringback.state", state)
        if state != "delivered":
            self.span.set_status(trace.Status(trace.StatusCode.ERROR, verdict[:200]))


def _current() -> str | None:
    """The span that is under way in the caller, None where there is none."""
    if trace is None:
        return None
    context = trace.get_current_span().get_span_context()
    return _written(context) if context.is_valid else None


def with_parent(headers: list[list[str]]) -> list[list[str]]:
    """Header fields of a new delivery, with the span that is under way unless they name one themselves."""
    parent = _current()
    if parent is None or any(name.lower() == TRACEPARENT for name, _ in headers):
        return headers
    return [*headers, [TRACEPARENT, parent]]


def parent_of(headers: Fields) -> str | None:
    """The span in which a delivery was made: always its last field."""
    return headers[-1][1] if headers and headers[-1][0] == TRACEPARENT else None


def trace_id_of(headers: Fields) -> str | None:
    """The id of the trace that a delivery belongs to."""
    parent = parent_of(headers)
    return None if parent is None else parent[3:35]


@contextmanager
def attempting(owed: Owed, parent: str) -> Iterator[Attempting]:
    """A span around an attempt, a child of the one in which the delivery was made."""
    context = _read(parent)
    if context is None:
        yield Attempting(parent, _NoSpan())
        return
    kind = trace.SpanKind.CLIENT if owed.channel == "http" else trace.SpanKind.CONSUMER
    with trace.get_tracer("ringback").start_as_current_span(
        f"deliver {owed.callback or owed.channel}",
        context=trace.set_span_in_context(trace.NonRecordingSpan(context)),
        kind=kind,
        attributes={
            "ringback.delivery": owed.message_id,
            "ringback.channel": owed.channel,
            "ringback.destination": owed.destination.partition(" ")[0],
            "ringback.attempt": owed.number,
        },
    ) as span:
        own = span.get_span_context()
        yield Attempting(_written(own) if own.is_valid else parent, span)


class _NoSpan:
    """What is told to a span that is none."""

    def set_attribute(self, name: str, value: object) -> None:
        """Nothing."""

    def set_status(self, status: object) -> None:
        """Nothing."""


def _written(context: Any) -> str:
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def _read(text: str) -> Any:
    parts = _FORM.fullmatch(text)
    if parts is None or trace is None:
        return None
    trace_id, span_id, flags = (int(part, 16) for part in parts.groups())
    context = trace.SpanContext(trace_id, span_id, is_remote=True, trace_flags=trace.TraceFlags(flags))
    return context if context.is_valid else None
