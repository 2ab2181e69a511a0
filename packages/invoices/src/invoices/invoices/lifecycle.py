"""Which state of an invoice may follow which: one table, and nothing else decides it."""

from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """Where an invoice stands. `processing` means that money was promised and has not arrived."""

    OPEN = "open"
    PROCESSING = "processing"
    PAID = "paid"
    VOID = "void"
    REFUNDED = "refunded"


class Event(StrEnum):
    """What can happen to an invoice."""

    PAYMENT_STARTED = "payment_started"
    PAYMENT_FAILED = "payment_failed"
    PAYMENT_ARRIVED = "payment_arrived"
    VOIDED = "voided"
    REFUND_MADE = "refund_made"


# Money that arrives counts, whatever was decided meanwhile: a customer who paid a voided invoice in the
# same second has paid, and must not be told otherwise.
_TRANSITIONS: Final[dict[tuple[Status, Event], Status]] = {
    (Status.OPEN, Event.PAYMENT_STARTED): Status.PROCESSING,
    (Status.OPEN, Event.PAYMENT_FAILED): Status.OPEN,
    (Status.OPEN, Event.PAYMENT_ARRIVED): Status.PAID,
    (Status.OPEN, Event.VOIDED): Status.VOID,
    (Status.PROCESSING, Event.PAYMENT_STARTED): Status.PROCESSING,
    (Status.PROCESSING, Event.PAYMENT_FAILED): Status.OPEN,
    (Status.PROCESSING, Event.PAYMENT_ARRIVED): Status.PAID,
    (Status.PAID, Event.PAYMENT_STARTED): Status.PAID,
    (Status.PAID, Event.PAYMENT_FAILED): Status.PAID,
    (Status.PAID, Event.PAYMENT_ARRIVED): Status.PAID,
    (Status.PAID, Event.REFUND_MADE): Status.REFUNDED,
    (Status.VOID, Event.VOIDED): Status.VOID,
    (Status.VOID, Event.PAYMENT_FAILED): Status.VOID,
    (Status.VOID, Event.PAYMENT_ARRIVED): Status.PAID,
    (Status.REFUNDED, Event.REFUND_MADE): Status.REFUNDED,
    (Status.REFUNDED, Event.PAYMENT_ARRIVED): Status.REFUNDED,
}


class NotPossible(Exception):
    """An event that this status does not allow."""

    def __init__(self, status: Status, event: Event) -> None:
        self.status = status
        self.event = event
        super().__init__(f"an invoice that is {status} cannot be {_PAST[event]}")


_PAST: Final = {
    Event.PAYMENT_STARTED: "paid",
    Event.PAYMENT_FAILED: "declined",
    Event.PAYMENT_ARRIVED: "paid",
    Event.VOIDED: "voided",
    Event.REFUND_MADE: "refunded",
}


def after(status: Status, event: Event) -> Status:
    """The status that follows; raises `NotPossible`."""
    try:
        return _TRANSITIONS[status, event]
    except KeyError:
        raise NotPossible(status, event) from None
