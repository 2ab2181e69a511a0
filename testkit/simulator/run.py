"""One simulation from beginning to end, and what came of it."""

import asyncio
import logging
from dataclasses import dataclass
from random import Random
from typing import Final

from testkit.simulator.apps import App, Shelf, bind_all
from testkit.simulator.audit import Audit
from testkit.simulator.database import Line, Place
from testkit.simulator.fleet import Fleet
from testkit.simulator.receivers import Receivers
from testkit.simulator.virtual_time import LeapingLoop, Stuck
from testkit.simulator.world import Actor, Died, World

__all__ = ["Outcome", "simulate"]

# Faults happen for about this long. Then all has to end: within five leases of a poisonous row and the rests
# of the breaker, and a whole schedule for each, since they may all stand in one line.
_TROUBLED: Final = 60.0
_BOUND: Final = 600.0
_EACH: Final = 100.0
# Who still runs so long after it was cancelled would run for ever.
_DEAF_FOR: Final = 60.0


@dataclass(frozen=True)
class Outcome:
    """What came of one seed."""

    seed: int
    broken: list[str]
    trace: list[str]
    deliveries: int
    requests: int
    duplicates: int
    lapses: int
    seconds: float

    def __str__(self) -> str:
        """What is needed to repeat it."""
        rules = "\n  ".join(self.broken)
        return f"seed {self.seed}: python -m testkit.simulator {self.seed}\n  {rules}"


def simulate(seed: int, place: Place) -> Outcome:
    """Play one seed. The same seed gives the same trace, always."""
    world = World(seed)
    receivers = Receivers(world)
    place.give_to(world)
    audit = Audit(world, place.reader, receivers)
    loop = LeapingLoop()
    loop.set_exception_handler(lambda _loop, context: _unexpected(world, context))
    loggers = logging.getLogger("ringback")
    level, loggers.level = loggers.level, logging.CRITICAL + 1
    for name in ("ringback.worker", "ringback.attempt"):
        logging.getLogger(name).disabled = True
    try:
        loop.run_until_complete(_play(world, place, audit, receivers))
    except Stuck as stuck:
        world.broken.append(str(stuck))
    finally:
        _end_all(loop, world)
        loggers.level = level
        for name in ("ringback.worker", "ringback.attempt"):
            logging.getLogger(name).disabled = False
    answered = receivers.answered
    return Outcome(
        seed=seed,
        broken=world.broken,
        trace=world.trace,
        deliveries=len(audit.copies),
        requests=receivers.requests,
        duplicates=answered.total() - len(answered),
        lapses=sum(copy.lapses for copy in audit.copies.values()),
        seconds=loop.time(),
    )


async def _play(world: World, place: Place, audit: Audit, receivers: Receivers) -> None:
    loop, rng = asyncio.get_running_loop(), world.rng
    shelf = Shelf(world)
    fleet = Fleet(world, place, audit, receivers)
    quiet, world.odds = world.odds, type(world.odds)()
    await bind_all(Line(place, Actor(world, "setup"), audit.look), place.store, shelf)
    world.odds = quiet
    apps = []
    for number in range(rng.randint(1, 2)):
        actor = Actor(world, f"app{number + 1}", mortal=False)
        app = App(actor, Line(place, actor, audit.look), place.store, shelf, fleet.wake)
        apps.append(loop.create_task(app.run()))
    fleet.start(rng.randint(1, 3))
    troubles = loop.create_task(_trouble(fleet, rng))
    await asyncio.gather(*apps)
    await troubles
    world.odds.heal()
    world.healed = True
    for life in fleet.lives:
        life.actor.frozen_until = 0.0
    world.note("world", "is well again")
    since = world.elapsed
    bound = _BOUND + _EACH * audit.unsettled
    while audit.unsettled and world.elapsed < since + bound:  # noqa: ASYNC110 - time is made up
        await asyncio.sleep(5.0)
    _check_end(shelf, audit)


async def _trouble(fleet: Fleet, rng: Random) -> None:
    for _ in range(rng.choice([0, 1, 3, 6])):
        await asyncio.sleep(rng.uniform(0, _TROUBLED / 6))
        await fleet.trouble()


def _check_end(shelf: Shelf, audit: Audit) -> None:
    known = {copy.message_id for copy in audit.copies.values()}
    for lost in sorted(shelf.acknowledged - known):
        shelf.world.fault(f"{lost} was committed, and is lost")
    for ghost in sorted(shelf.rolled_back & known):
        shelf.world.fault(f"{ghost} was rolled back, and is there")
    audit.check_end()


def _unexpected(world: World, context: dict[str, object]) -> None:
    error = context.get("exception")
    if not isinstance(error, Died):
        world.broken.append(f"{context.get('message')}: {error!r}")


def _end_all(loop: LeapingLoop, world: World) -> None:
    """Drop what still runs; nothing of it may have an effect."""
    tasks = sorted(asyncio.all_tasks(loop), key=hash)
    for task in tasks:
        task.cancel()
    if tasks:
        _, deaf = loop.run_until_complete(asyncio.wait(tasks, timeout=_DEAF_FOR))
        world.broken += [f"{task.get_coro()} goes on after it was cancelled" for task in deaf]
    loop.close()
