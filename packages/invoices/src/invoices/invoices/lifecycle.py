"""Where an invoice stands: a pure function of what is known about it, by tables, and nothing else decides it.

What is known only ever grows (money came, money went back, somebody decided something), and the status is
read from all of it. So the order in which a provider tells things does not matter.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """Where an invoice stands. `processing` means that money was promised and has not arrived."""

    OPEN = "open"
    PROCESSING = "processing"
    PAID = "paid"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"
    VOID = "void"
    UNCOLLECTIBLE = "uncollectible"


class Fact(StrEnum):
    """What a person should know beside the status. A fact stays true once it is."""

    PAID_LATE = "paid_late"
    OVERPAID = "overpaid"
    PAID_AFTER_VOID = "paid_after_void"
    DISPUTED = "disputed"


class Money(StrEnum):
    """Where the customer's money is."""

    NONE = "none"
    HELD = "held"
    PARTLY_RETURNED = "partly_returned"
    RETURNED = "returned"


class Decision(StrEnum):
    """What the API user has decided about an invoice."""

    NONE = "none"
    VOID = "void"
    WRITTEN_OFF = "written_off"


class Action(StrEnum):
    """What an API user, or a customer, may want to do with an invoice."""

    PAY = "pay"
    SEND = "send"
    VOID = "void"
    WRITE_OFF = "write off"
    REFUND = "refund"


@dataclass(frozen=True, slots=True)
class Known:
    """All that decides the status. Amounts are in minor units of the invoice's currency.

    `collected` and `returned` count what a provider has confirmed; `promised` says that a payment is on its
    way.
    """

    total: int
    collected: int = 0
    returned: int = 0
    promised: bool = False
    decision: Decision = Decision.NONE

    @property
    def money(self) -> Money:
        """Where the money is. What went back before it was known to have come counts once it has come."""
        held = self.collected - self.returned
        if self.collected == 0:
            return Money.NONE
        if held >= self.total:
            return Money.HELD
        return Money.PARTLY_RETURNED if held > 0 else Money.RETURNED


# Money goes before decisions: a customer who paid a withdrawn invoice in the same second has paid, and must
# not be told otherwise. Decisions go before promises, which may never be kept.
_OF_MONEY: Final = {
    Money.HELD: Status.PAID,
    Money.PARTLY_RETURNED: Status.PARTIALLY_REFUNDED,
    Money.RETURNED: Status.REFUNDED,
}
_OF_DECISION: Final = {Decision.VOID: Status.VOID, Decision.WRITTEN_OFF: Status.UNCOLLECTIBLE}
_OF_PROMISE: Final = {True: Status.PROCESSING, False: Status.OPEN}

_WITH_MONEY: Final = frozenset(_OF_MONEY.values())

NEXT: Final[dict[Status, frozenset[Status]]] = {
    Status.OPEN: _WITH_MONEY | {Status.PROCESSING, Status.VOID, Status.UNCOLLECTIBLE},
    Status.PROCESSING: _WITH_MONEY | {Status.OPEN},
    Status.VOID: _WITH_MONEY,
    Status.UNCOLLECTIBLE: _WITH_MONEY | {Status.VOID},
    Status.PAID: frozenset({Status.PARTIALLY_REFUNDED, Status.REFUNDED}),
    # Back where a refund fails after all, or a second payment arrives.
    Status.PARTIALLY_REFUNDED: frozenset({Status.REFUNDED, Status.PAID}),
    Status.REFUNDED: frozenset({Status.PAID, Status.PARTIALLY_REFUNDED}),
}
"""Which status may follow which. An invoice that has seen money never becomes unpaid again."""

_ALLOWED: Final[dict[Action, frozenset[Status]]] = {
    Action.PAY: frozenset({Status.OPEN}),
    Action.SEND: frozenset({Status.OPEN, Status.PROCESSING}),
    Action.VOID: frozenset({Status.OPEN, Status.UNCOLLECTIBLE, Status.VOID}),
    Action.WRITE_OFF: frozenset({Status.OPEN, Status.UNCOLLECTIBLE}),
    Action.REFUND: frozenset({Status.PAID, Status.PARTIALLY_REFUNDED}),
}

_PAST: Final = {
    Action.PAY: "paid",
    Action.SEND: "sent",
    Action.VOID: "voided",
    Action.WRITE_OFF: "written off",
    Action.REFUND: "refunded",
}

DUE: Final = frozenset({Status.OPEN, Status.PROCESSING})
"""The statuses in which the customer still owes the money."""

SETTLED: Final = frozenset({Status.PAID, Status.PARTIALLY_REFUNDED})
"""The statuses in which the invoice counts as paid: giving a part back does not make it unpaid."""


class NotPossible(Exception):
    """An action that this status does not allow."""

    def __init__(self, status: Status, action: Action) -> None:
        self.status = status
        self.action = action
        super().__init__(f"an invoice that is {status} cannot be {_PAST[action]}")


def status_of(known: Known) -> Status:
    """The one status of all that is known."""
    if known.money in _OF_MONEY:
        return _OF_MONEY[known.money]
    return _OF_DECISION.get(known.decision) or _OF_PROMISE[known.promised]


def facts_of(known: Known, *, late: bool, disputed: bool) -> tuple[Fact, ...]:
    """The facts of all that is known. `late`: after the due date, or through a checkout that had ended."""
    came = known.collected > 0
    holds = {
        Fact.PAID_LATE: came and late,
        Fact.OVERPAID: known.collected > known.total,
        Fact.PAID_AFTER_VOID: came and known.decision is Decision.VOID,
        Fact.DISPUTED: disputed,
    }
    return tuple(fact for fact in Fact if holds[fact])


def allows(status: Status, action: Action) -> bool:
    """Whether an invoice of this status can be acted on like this."""
    return status in _ALLOWED[action]


def require(status: Status, action: Action) -> None:
    """Raise `NotPossible` unless the status allows the action."""
    if not allows(status, action):
        raise NotPossible(status, action)
