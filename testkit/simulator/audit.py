"""The rules, held against every change of every row at the commit that made it."""

import sqlite3
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from testkit.simulator.receivers import Receivers
from testkit.simulator.world import Actor, World

__all__ = ["HISTORY", "Audit", "Copy"]

_DELIVERY = "id, message_id, owner, endpoint, target_id, sequence, step, due_at, lease_until"
_VALUES = "d.id, message_id, owner, endpoint, d.target_id, sequence, step, due_at, lease_until"
_NEW = "ringback_deliveries d JOIN ringback_messages m ON m.id = d.id WHERE d.id = new.id"

# Triggers write down each step of a transaction, also those that its end no longer shows.
HISTORY: Final = (
    """CREATE TABLE history (n INTEGER PRIMARY KEY AUTOINCREMENT, what, id, message_id, owner, endpoint,
       target_id, sequence, step, due_at, lease_until, was, is_now, attempts_was, attempts)""",
    f"""CREATE TRIGGER made AFTER INSERT ON ringback_deliveries BEGIN
        INSERT INTO history (what, {_DELIVERY}, is_now, attempts) SELECT 'made', {_VALUES}, state, attempts
        FROM {_NEW}; END""",  # noqa: S608 - only names of columns
    f"""CREATE TRIGGER changed AFTER UPDATE ON ringback_deliveries
        WHEN old.state <> new.state OR old.attempts <> new.attempts BEGIN
        INSERT INTO history (what, {_DELIVERY}, was, is_now, attempts_was, attempts)
        SELECT 'changed', {_VALUES}, old.state, state, old.attempts, attempts
        FROM {_NEW}; END""",  # noqa: S608 - only names of columns
    """CREATE TRIGGER gone AFTER DELETE ON ringback_deliveries BEGIN
       INSERT INTO history (what, id, is_now) VALUES ('gone', old.id, old.state); END""",
    """CREATE TRIGGER endpoint_made AFTER INSERT ON ringback_endpoints BEGIN
       INSERT INTO history (what, owner, endpoint, is_now)
       VALUES ('endpoint', new.owner, new.url, new.disabled_at IS NOT NULL); END""",
    """CREATE TRIGGER endpoint_changed AFTER UPDATE ON ringback_endpoints BEGIN
       INSERT INTO history (what, owner, endpoint, is_now)
       VALUES ('endpoint', new.owner, new.url, new.disabled_at IS NOT NULL); END""",
)

_ENDED: Final = ("delivered", "dead", "cancelled")


@dataclass
class Copy:
    """What is known of one delivery, from what was committed."""

    id: int
    message_id: str
    endpoint: tuple[str, str]
    target: int | None
    sequence: int | None
    due_at: float
    state: str = "pending"
    attempts: int = 0
    step: int = 0
    holder: str = ""
    lease_until: float = 0.0
    replays: int = 0
    lapses: int = 0
    cut_off: int = 0
    gone: bool = False

    @property
    def open(self) -> bool:
        """Whether something is still to be done."""
        return self.state not in _ENDED


@dataclass
class Audit:
    """Reads the history after each commit and says what must not be."""

    world: World
    reader: sqlite3.Connection
    receivers: Receivers
    copies: dict[int, Copy] = field(default_factory=dict)
    _targets: dict[int, list[Copy]] = field(default_factory=lambda: defaultdict(list))
    _disabled: dict[tuple[str, str], bool] = field(default_factory=lambda: defaultdict(bool))
    _seen: int = 0
    _actors: dict[str, Actor] = field(default_factory=dict)
    _recorded_until: dict[str, float] = field(default_factory=dict)

    def look(self, actor: Actor, began: float, asked: float) -> None:
        """Read what this process has just committed, in a transaction that it asked for and began then."""
        self._actors[actor.name] = actor
        rows = self.reader.execute("SELECT * FROM history WHERE n > ? ORDER BY n", (self._seen,)).fetchall()
        ended: set[int] = set()
        for row in rows:
            self._seen = row["n"]
            if row["what"] == "endpoint":
                self._disabled[row["owner"], row["endpoint"]] = bool(row["is_now"])
            elif row["what"] == "made":
                self._made(row)
            elif row["what"] == "gone":
                self._gone(self.copies[row["id"]])
            else:
                copy = self.copies[row["id"]]
                self._changed(copy, row, actor, began)
                if not copy.open and copy.target is not None:
                    ended.add(copy.target)
        if actor.name.startswith("worker"):
            self._check_promoted(ended)
            self._recorded_until[actor.name] = asked

    def _made(self, row: Any) -> None:
        names = (row["owner"], row["endpoint"])
        copy = Copy(row["id"], row["message_id"], names, row["target_id"], row["sequence"], row["due_at"])
        self.copies[copy.id] = copy
        if copy.sequence is not None and copy.target is not None:
            self._targets[copy.target].append(copy)
            places = [one.sequence or 0 for one in self._targets[copy.target]]
            if any(later <= earlier for earlier, later in pairwise(places)):
                self.world.fault(f"{copy.message_id} has place {copy.sequence} among {places}")

    def _gone(self, copy: Copy) -> None:
        copy.gone = True
        self.world.note("", f"{copy.message_id}: deleted")
        if copy.open:
            self.world.fault(f"{copy.message_id} was deleted while {copy.state}")

    def _changed(self, copy: Copy, row: Any, actor: Actor, began: float) -> None:
        was, now = row["was"], row["is_now"]
        self.world.note(actor.name, f"{copy.message_id}: {was} -> {now} ({row['attempts']})")
        if was != copy.state or row["attempts_was"] != copy.attempts:
            self._fault(copy, actor, f"was {was} ({row['attempts_was']}), and nobody saw how that came")
        if was == "sending":
            self._released(copy, row, actor, began)
        elif now == "sending":
            self._claimed(copy, row, actor)
        elif row["attempts"] != row["attempts_was"]:
            self._fault(copy, actor, f"counts {row['attempts']} attempts and made none")
        elif (was, now) == ("pending", "dead"):
            if not self._disabled[copy.endpoint]:
                self._fault(copy, actor, "refused, and its endpoint is not disabled")
        elif was in _ENDED and now == "pending" and actor.name.startswith("app"):
            copy.replays += 1
        elif not self._is_allowed(was, now, of_worker=actor.name.startswith("worker")):
            self._fault(copy, actor, f"{was} -> {now} must not be")
        copy.state, copy.attempts, copy.step = now, row["attempts"], row["step"]
        copy.due_at = row["due_at"]

    @staticmethod
    def _is_allowed(was: str, now: str, *, of_worker: bool) -> bool:
        if of_worker:
            return (was, now) in (("pending", "waiting"), ("waiting", "pending"))
        return was in ("pending", "waiting") and now == "cancelled"

    def _claimed(self, copy: Copy, row: Any, actor: Actor) -> None:
        if copy.state != "pending" or row["attempts"] != copy.attempts + 1:
            self._fault(copy, actor, f"claimed as attempt {row['attempts']} while {copy.state}")
        if copy.sequence is not None and copy.target is not None:
            for earlier in self._targets[copy.target]:
                if earlier.open and (earlier.sequence or 0) < copy.sequence:
                    self._fault(copy, actor, f"claimed while {earlier.message_id} is {earlier.state}")
        if self._disabled[copy.endpoint]:
            self._fault(copy, actor, "claimed, and its endpoint is disabled")
        if copy.due_at > self.world.highest():
            self._fault(copy, actor, f"claimed {copy.due_at - self.world.highest():.3f} s before it is due")
        copy.holder, copy.lease_until = actor.name, row["lease_until"]
        self.receivers.claims[copy.id, row["attempts"]] = actor.name

    def _released(self, copy: Copy, row: Any, actor: Actor, began: float) -> None:
        """It is no longer under way: recorded, given back, or taken from who was lost."""
        number, holder = copy.attempts, copy.holder
        copy.holder = ""
        if row["attempts"] == number - 1:
            del self.receivers.claims[copy.id, number]
            self.world.note(actor.name, f"{copy.message_id}: given back")
            if holder != actor.name or (copy.id, number) in self.receivers.begun:
                self._fault(copy, actor, f"given back, and {holder} had begun it or held it")
            return
        if row["attempts"] != number:
            self._fault(copy, actor, f"ended as attempt {row['attempts']}, and {number} was under way")
        ending = self.receivers.endings.get((copy.id, number, actor.name))
        too_soon = ending is not None and row["due_at"] < began + ending.rest(copy.step) - 1e-3
        recorded = holder == actor.name and ending is not None and ending.explains(row["is_now"], copy.step)
        if recorded and not (row["is_now"] == "pending" and too_soon):
            copy.cut_off += ending is not None and ending.cut_off
        elif copy.lease_until < self.world.highest() and row["is_now"] in ("pending", "dead"):
            copy.lapses += 1
            self.world.note("", f"{copy.message_id}: attempt {number} is given up")
            self._check_unrecorded(copy, holder, number)
        elif recorded:
            self._fault(copy, actor, f"due again {row['due_at'] - began:.3f} s after {ending}")
        else:
            self._fault(copy, actor, f"{row['is_now']} while {holder} was at attempt {number}: {ending}")

    def _check_unrecorded(self, copy: Copy, holder: str, number: int) -> None:
        """Who lives, knows how an attempt ended and commits, must have recorded that."""
        ending = self.receivers.endings.get((copy.id, number, holder))
        apart = holder in self.receivers.unstorable_for  # it may have recorded the one and not yet the other
        alive = self._actors[holder].alive and not apart
        if alive and ending is not None and ending.at < self._recorded_until.get(holder, 0.0):
            self._fault(copy, self._actors[holder], f"has forgotten: {ending}")

    def _check_promoted(self, ended: set[int]) -> None:
        for target in ended:
            opened = [copy for copy in self._targets[target] if copy.open]
            if opened and opened[0].state == "waiting":
                self.world.fault(f"{opened[0].message_id} is left waiting, and nothing is before it")

    def _fault(self, copy: Copy, actor: Actor, what: str) -> None:
        self.world.fault(f"{copy.message_id} by {actor.name}: {what}")

    # --- in the end ----------------------------------------------------------------------------------------

    @property
    def unsettled(self) -> int:
        """How many have not ended."""
        return sum(copy.open for copy in self.copies.values())

    def check_end(self) -> None:
        """What must be so when all is over."""
        for copy in self.copies.values():
            if copy.open:
                self.world.fault(f"{copy.message_id} is still {copy.state} in the end")
            requests = self.receivers.answered[copy.id]
            allowed = 1 + copy.replays + copy.lapses + copy.cut_off
            if requests > allowed:
                self.world.fault(f"{copy.message_id} arrived {requests} times, explained: {allowed}")
            if copy.state == "delivered" and not requests:
                self.world.fault(f"{copy.message_id} is delivered, and nobody has got it")
        self._check_rows()

    def _check_rows(self) -> None:
        """The tables themselves: attempts numbered from 1, all closed, none without its delivery."""
        numbers: dict[int, list[int]] = defaultdict(list)
        for row in self.reader.execute(
            "SELECT delivery_id, number, outcome FROM ringback_attempts ORDER BY 1, 2"
        ).fetchall():
            numbers[row["delivery_id"]].append(row["number"])
            if row["outcome"] is None:
                self.world.fault(f"attempt {row['number']} of {row['delivery_id']} was never closed")
        for copy in self.copies.values():
            expected = [] if copy.gone else list(range(1, copy.attempts + 1))
            if numbers[copy.id] != expected:
                self.world.fault(f"{copy.message_id} has attempts {numbers[copy.id]} instead of {expected}")
