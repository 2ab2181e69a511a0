"""The other ends: receivers that are well, slow, broken or gone by turns, and the courier that meets them."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from testkit.simulator.world import Actor, World

from ringback._schedule import RetrySchedule
from ringback._store.claims import Claimed
from ringback._types import State
from ringback._verdict import Verdict, judge_answer

__all__ = ["SCHEDULES", "UNSTORABLE", "Ending", "Receivers", "ScriptedCourier"]

# A text that the database refuses, wherever a statement brings it.
UNSTORABLE: Final = "no database takes this"

SCHEDULES: Final = {
    "http": RetrySchedule((0.0, 1.0, 5.0, 20.0, 30.0)),
    "mail": RetrySchedule((0.0, 2.0, 10.0), jitter=0.0),
}
TIMEOUTS: Final = {"http": 8.0, "mail": 15.0}

_BEHAVIOURS: Final = (
    "well", "well", "well", "slow", "late", "hang", "refuse", "error", "throttle", "gone", "raise",
    "unstorable",
)  # fmt: skip


@dataclass
class Ending:
    """How one attempt ended, as the worker that made it knows it."""

    claimed: Claimed
    verdict: Verdict
    at: float
    cut_off: bool = False

    def explains(self, state: str, step: int) -> bool:
        """Whether this is what the row's new state says."""
        used_up = step + 1 >= len(SCHEDULES[self.claimed.channel].delays)
        wanted = State.DEAD if self.verdict.state is State.PENDING and used_up else self.verdict.state
        return state == wanted.value

    def rest(self, step: int) -> float:
        """The least seconds until the next attempt."""
        delays = SCHEDULES[self.claimed.channel]
        planned = delays.delays[step + 1] * (1 - delays.jitter) if step + 1 < len(delays.delays) else 0.0
        return max(planned, self.verdict.retry_after or 0.0)

    def __str__(self) -> str:
        """In words."""
        return f"attempt {self.claimed.number} ended with {self.verdict.text!r}"


@dataclass
class Receivers:
    """How each destination behaves over time, and what arrived there."""

    world: World
    # Who has claimed which attempt, as committed: (delivery, number) to the worker's name.
    claims: dict[tuple[int, int], str] = field(default_factory=dict)
    begun: set[tuple[int, int]] = field(default_factory=set)
    answered: Counter[int] = field(default_factory=Counter)
    endings: dict[tuple[int, int, str], Ending] = field(default_factory=dict)
    requests: int = 0
    unstorable_for: set[str] = field(default_factory=set)
    _plans: dict[str, list[tuple[float, str]]] = field(default_factory=dict)

    def behaviour(self, destination: str) -> str:
        """How this one behaves now."""
        plan = self._plans.get(destination)
        if plan is None:
            plan = self._plans[destination] = self._plan(self.world.rng)
        if self.world.healed:
            return plan[-1][1]
        return next(behaviour for until, behaviour in plan if until >= self.world.elapsed)

    @staticmethod
    def _plan(rng: Random) -> list[tuple[float, str]]:
        ends = sorted(rng.uniform(0, 60) for _ in range(rng.randint(0, 4)))
        last = rng.choice(["well", "well", "well", "well", "slow", "error"])
        return [*((end, rng.choice(_BEHAVIOURS)) for end in ends), (float("inf"), last)]

    def arrive(self, actor: Actor, claimed: Claimed) -> None:
        """A request is here: its attempt must be on record, this worker's, and not have been made before."""
        self.requests += 1
        self.world.note(actor.name, f"{claimed.message_id}: request of attempt {claimed.number}")
        if self.claims.get((claimed.id, claimed.number)) != actor.name:
            self.world.fault(f"{claimed.message_id}: a request of {actor.name} that no claim stands for")

    def begin(self, claimed: Claimed) -> None:
        """An attempt begins; each begins once."""
        key = (claimed.id, claimed.number)
        if key in self.begun:
            self.world.fault(f"{claimed.message_id}: attempt {claimed.number} was begun twice")
        self.begun.add(key)


@dataclass
class ScriptedCourier:
    """Makes one worker's attempts at receivers that are made up."""

    actor: Actor
    receivers: Receivers
    in_flight: int

    async def attempt(self, claimed: Claimed, secrets: Sequence[str]) -> Verdict:
        """Play one attempt; the worker may die at each of its steps."""
        assert secrets, "there is nothing to sign with"
        world = self.actor.world
        self.receivers.begin(claimed)
        cut_off = Verdict(State.PENDING, "cut off")
        try:
            self.actor.may_die(world.odds.dies_at_attempt)
            if claimed.body == b"poison":
                self.actor.die()
                self.actor.check()
            await self.actor.sleep(world.rng.uniform(0.001, 0.02))
            verdict = await self._play(claimed, self.receivers.behaviour(claimed.destination))
        except asyncio.CancelledError:
            self._end(Ending(claimed, cut_off, world.elapsed, cut_off=True))
            raise
        except ZeroDivisionError:
            self._end(Ending(claimed, Verdict(State.PENDING, "raised"), world.elapsed))
            raise
        self._end(Ending(claimed, verdict, world.elapsed))
        return verdict

    def _end(self, ending: Ending) -> None:
        key = (ending.claimed.id, ending.claimed.number, self.actor.name)
        self.receivers.endings[key] = ending

    async def _play(self, claimed: Claimed, behaviour: str) -> Verdict:
        actor, rng = self.actor, self.actor.world.rng
        if behaviour == "refuse":
            await actor.sleep(rng.uniform(0.001, 0.1))
            return Verdict(State.PENDING, "refused", healthy=False, reached=False)
        self.receivers.arrive(actor, claimed)
        if behaviour == "hang":
            await actor.sleep(self.timeout_of(claimed.channel))
            return Verdict(State.PENDING, "no answer", healthy=False, reached=False)
        statuses = {"error": 500, "throttle": 429, "gone": 410, "raise": 500}
        status = statuses.get(behaviour, 200)
        # The receiver has acted and answers; whether that is heard is another thing.
        if status == 200:
            self.receivers.answered[claimed.id] += 1
        # "late" is a worker that was held up for longer than its own leases.
        longest = {"slow": 3.0, "late": 60.0}.get(behaviour, 0.3)
        await actor.sleep(rng.uniform(0.7 if behaviour == "late" else 0.01, 1.0) * longest)
        actor.may_die(actor.world.odds.dies_at_attempt)
        if behaviour == "raise":
            raise ZeroDivisionError
        if behaviour == "unstorable":
            self.receivers.unstorable_for.add(actor.name)
        return judge_answer(
            status,
            breach=None,
            acknowledged=True,
            response=UNSTORABLE if behaviour == "unstorable" else '{"ok":true}',
            retry_after=rng.uniform(0, 20) if behaviour == "throttle" else None,
        )

    def schedule_of(self, channel: str) -> RetrySchedule:
        """By channel."""
        return SCHEDULES[channel]

    def timeout_of(self, channel: str) -> float:
        """By channel, in seconds."""
        return TIMEOUTS[channel]

    def in_flight_of(self, destination: str) -> int:
        """The same for all."""
        return self.in_flight if destination.startswith("http") else 1
