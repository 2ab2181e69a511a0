"""What everything in one simulation shares: chance, time, the record of what happened, and the faults."""

import asyncio
from dataclasses import dataclass, field, fields
from random import Random
from sqlite3 import OperationalError as SqliteError
from typing import Final

from sqlalchemy.exc import OperationalError

__all__ = ["Actor", "Died", "Odds", "World", "database_error"]

_BEGINNING: Final = 1_800_000_000.0


class Died(BaseException):
    """The process of this task is no more. Not an Exception, so that no code of a dead process goes on."""


def database_error(words: str) -> OperationalError:
    """An error as SQLAlchemy raises it when the database fails."""
    return OperationalError("(simulated)", None, SqliteError(words))


@dataclass
class Odds:
    """How likely each fault is each time that it could happen."""

    waits_at_statement: float = 0.0
    statement_fails: float = 0.0
    goes_silent: float = 0.0
    cannot_connect: float = 0.0
    commit_fails: float = 0.0
    commit_unheard: float = 0.0
    dies_at_statement: float = 0.0
    dies_at_commit: float = 0.0
    dies_at_attempt: float = 0.0
    hint_lost: float = 0.0

    @classmethod
    def drawn(cls, rng: Random) -> "Odds":
        """Some seeds know no faults of a kind, some many."""
        return cls(
            waits_at_statement=rng.choice([0.1, 0.3]),
            statement_fails=rng.choice([0, 0.005, 0.02]),
            goes_silent=rng.choice([0, 0, 0.002]),
            cannot_connect=rng.choice([0, 0.02, 0.1]),
            commit_fails=rng.choice([0, 0.03, 0.15]),
            commit_unheard=rng.choice([0, 0.03, 0.15]),
            dies_at_statement=rng.choice([0, 0.003, 0.01]),
            dies_at_commit=rng.choice([0, 0.02, 0.08]),
            dies_at_attempt=rng.choice([0, 0.02, 0.08]),
            hint_lost=rng.choice([0, 0.5, 1]),
        )

    def heal(self) -> None:
        """From now on nothing fails any more."""
        for one in fields(self):
            if one.name != "waits_at_statement":
                setattr(self, one.name, 0.0)


@dataclass
class World:
    """One simulation."""

    seed: int
    rng: Random = field(init=False)
    odds: Odds = field(init=False)
    trace: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    healed: bool = False
    clock_jumps: bool = False
    _ahead: float = 0.0
    _highest: float = 0.0

    def __post_init__(self) -> None:
        self.rng = Random(self.seed)  # noqa: S311 - it must be repeatable
        self.odds = Odds.drawn(self.rng)

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning, by a clock that never jumps."""
        return asyncio.get_running_loop().time()

    def now(self) -> float:
        """The database's clock."""
        now = _BEGINNING + self.elapsed + self._ahead
        self._highest = max(self._highest, now)
        return now

    def highest(self) -> float:
        """The latest time that this clock has ever shown."""
        return max(self._highest, self.now())

    def jump(self, seconds: float) -> None:
        """Set the database's clock, forward or back."""
        self.now()
        self._ahead += seconds
        self.note("clock", f"jumps by {seconds:+.1f} s")

    def note(self, who: str, what: str) -> None:
        """Remember what happened."""
        self.trace.append(f"{self.elapsed:9.3f}  {who:<10} {what}")

    def fault(self, what: str) -> None:
        """Remember that a rule is broken."""
        self.note("RULE", what)
        self.broken.append(f"at {self.elapsed:.3f}: {what}")

    def happens(self, likely: float) -> bool:
        """Whether something of this likelihood happens now."""
        return likely > 0 and self.rng.random() < likely


@dataclass
class Actor:
    """A process that can be stopped for a while, or killed, at whatever it does next."""

    world: World
    name: str
    mortal: bool = True
    alive: bool = True
    frozen_until: float = 0.0

    def check(self) -> None:
        """Go no further if the process is dead."""
        if not self.alive:
            raise Died

    def die(self) -> None:
        """Be killed: none of its code runs any more."""
        if self.alive:
            self.world.note(self.name, "is killed")
            self.alive = False

    def may_die(self, likely: float) -> None:
        """Perhaps die here."""
        if self.mortal and self.world.happens(likely):
            self.die()
        self.check()

    async def sleep(self, seconds: float) -> None:
        """Let time pass, the longer while the process is stopped; end here if it dies meanwhile."""
        await asyncio.sleep(seconds)
        while (rest := self.frozen_until - self.world.elapsed) > 0 and self.alive:  # noqa: ASYNC110
            await asyncio.sleep(rest)
        self.check()
