"""What must be true of the outbox after any fault: its rows are held against what receivers saw.

The rules are those of an outbox with leases: nothing lost, nothing sent for a transaction that was rolled
back, every request explained by an attempt that was on record before it, results by one owner at a time,
and order per target.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Protocol

from sqlalchemy import Connection, text

__all__ = ["Figures", "Ledger", "Seen", "broken", "read_ledger"]

_ENDED = ("delivered", "dead", "cancelled")


class Seen(Protocol):
    """One request as the receiver saw it; `status` is None where it did not answer."""

    @property
    def id(self) -> str:
        """The message id."""

    @property
    def at(self) -> float:
        """When it arrived, by the clock of the rows."""

    @property
    def body(self) -> bytes:
        """Its body."""

    @property
    def status(self) -> int | None:
        """How it was answered."""


@dataclass(frozen=True)
class Ledger:
    """Deliveries by message id, and the attempts of each, in order."""

    deliveries: dict[str, Any]
    attempts: dict[str, list[Any]]


@dataclass
class Figures:
    """What a run, or many of them, came to."""

    rounds: int = 0
    deliveries: int = 0
    requests: int = 0
    duplicates: int = 0
    kills: int = 0
    broken: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """One line for people."""
        return (
            f"{self.rounds} rounds, {self.kills} kills, {self.deliveries} deliveries, "
            f"{self.requests} requests, {self.duplicates} explained duplicates, "
            f"{len(self.broken)} broken rules"
        )


def read_ledger(connection: Connection) -> Ledger:
    """All of the outbox."""
    both = text(
        "SELECT d.*, m.message_id, m.channel, m.owner, m.callback, m.url, m.body, m.idempotency_key "
        "FROM ringback_deliveries d JOIN ringback_messages m ON m.id = d.id"
    )
    deliveries = {row.message_id: row for row in connection.execute(both)}
    by_number = {row.id: row.message_id for row in deliveries.values()}
    attempts: dict[str, list[Any]] = defaultdict(list)
    for row in connection.execute(text("SELECT * FROM ringback_attempts ORDER BY delivery_id, number")):
        attempts[by_number[row.delivery_id]].append(row)
    return Ledger(deliveries, attempts)


def broken(
    ledger: Ledger, requests: Sequence[Seen], *, tolerance: float = 0.02, may_be_open: bool = False
) -> list[str]:
    """Every broken rule in words; `tolerance` seconds between the clocks of rows and receiver."""
    seen: dict[str, list[Seen]] = defaultdict(list)
    for request in requests:
        seen[request.id].append(request)
    found = [f"{id_}: a request for what was never committed" for id_ in seen if id_ not in ledger.deliveries]
    for id_, row in ledger.deliveries.items():
        attempts = ledger.attempts.get(id_, [])
        if row.state not in _ENDED and not may_be_open:
            found.append(f"{id_}: still {row.state} in the end ({row.verdict})")
        found += [f"{id_}: {what}" for what in _of_attempts(row, attempts, may_be_open)]
        found += [f"{id_}: {what}" for what in _of_requests(row, attempts, seen[id_], tolerance)]
    return found + _of_order(ledger, seen, tolerance)


def count_duplicates(requests: Iterable[Seen]) -> int:
    """How many answers of success were more than one for a delivery."""
    answered = [request.id for request in requests if request.status == 200]
    return len(answered) - len(set(answered))


def _of_attempts(row: Any, attempts: list[Any], may_be_open: bool) -> Iterable[str]:
    numbers = [attempt.number for attempt in attempts]
    if numbers != list(range(1, row.attempts + 1)):
        yield f"says {row.attempts} attempts and has rows {numbers}"
    for attempt in attempts:
        if attempt.outcome is None and row.state != "sending":
            yield f"attempt {attempt.number} was never closed, and the delivery is {row.state}"
    for earlier, later in pairwise(attempts):
        if earlier.outcome is None:
            yield f"attempt {later.number} began while {earlier.number} was open"
    delivered = [attempt.number for attempt in attempts if attempt.outcome == "delivered"]
    if row.state == "delivered" and not delivered:
        yield "delivered without an attempt that says so"
    replays = sum(attempt.trigger == "replay" for attempt in attempts)
    if len(delivered) > 1 + replays:
        yield f"delivered by the attempts {delivered}"
    if row.state == "sending" and not may_be_open:
        yield "left in sending"


def _of_requests(row: Any, attempts: list[Any], requests: list[Seen], tolerance: float) -> Iterable[str]:
    if len(requests) > len(attempts):
        yield f"{len(requests)} requests and {len(attempts)} attempts on record"
    starts = [attempt.started_at for attempt in attempts]
    for request, start in zip(sorted(requests, key=lambda r: r.at), starts, strict=False):
        if request.at < start - tolerance:
            yield f"a request {start - request.at:.3f} s before its attempt was on record"
    answered = sum(request.status == 200 for request in requests)
    unexplained = [a for a in attempts if a.outcome != "delivered" and a.status_code is None]
    allowed = sum(a.outcome == "delivered" for a in attempts) + len(unexplained)
    if answered > allowed:
        yield f"{answered} answers of success, and {allowed} attempts that could explain them"
    if row.state == "delivered" and not answered:
        yield "delivered, and the receiver knows nothing of it"
    if any(request.body != bytes(row.body) for request in requests):
        yield "a body that is not the stored one"


def _of_order(ledger: Ledger, seen: dict[str, list[Seen]], tolerance: float) -> list[str]:
    targets: dict[Any, list[Any]] = defaultdict(list)
    for row in ledger.deliveries.values():
        if row.sequence is not None:
            targets[row.target_id].append(row)
    found = []
    for rows in targets.values():
        rows.sort(key=lambda row: row.sequence)
        for earlier, later in pairwise(rows):
            first = min((r.at for r in seen[later.message_id]), default=None)
            end = _end_of(earlier, seen[earlier.message_id])
            if first is not None and (end is None or first < end - tolerance):
                found.append(
                    f"{later.message_id} (place {later.sequence}) went before {earlier.message_id} had ended"
                )
    return found


def _end_of(row: Any, requests: list[Seen]) -> float | None:
    if row.state == "delivered":
        return min((r.at for r in requests if r.status == 200), default=None)
    end: float | None = row.finished_at
    return end
