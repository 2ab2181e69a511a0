"""Worker processes: the real worker in each, started, stopped, killed, paused and started again."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, cast

from sqlalchemy.ext.asyncio import AsyncEngine
from testkit.simulator.audit import Audit
from testkit.simulator.database import Line, Place
from testkit.simulator.receivers import Receivers, ScriptedCourier
from testkit.simulator.world import Actor, Died, World

from ringback._worker import Worker, WorkerSettings

__all__ = ["Fleet"]

_STOPS_WITHIN = 10.0


@dataclass
class Life:
    """One worker process from its start to its end."""

    actor: Actor
    worker: Worker
    task: "asyncio.Task[None]"


@dataclass
class Fleet:
    """So many workers at once; who ends is replaced after a while."""

    world: World
    place: Place
    audit: Audit
    receivers: Receivers
    settings: dict[str, Any] = field(default_factory=dict)
    lives: list[Life] = field(default_factory=list)
    _started: int = 0
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    def __post_init__(self) -> None:
        rng = self.world.rng
        self.settings = {
            "concurrency": rng.choice([1, 2, 8]),
            "poll": rng.choice([3.0, 10.0, 10.0]),
            "upkeep": rng.choice([2.0, 5.0]),
            "destinations": rng.choice([1, 2, 256]),
            "patience": rng.choice([0.5, 5.0]),
            "grace": rng.choice([0.5, 10.0]),
            "retention": rng.choice([None, None, 15.0]),
            "rate_per_host": rng.choice([None, None, 2.0]),
        }
        self.in_flight = rng.choice([1, 2, 2, 4])

    def start(self, count: int) -> None:
        """Keep so many workers up."""
        for _ in range(count):
            task = asyncio.get_running_loop().create_task(self._keep_one())
            self._tasks.add(task)

    async def _keep_one(self) -> None:
        while True:
            await asyncio.sleep(self.world.rng.uniform(0, 2.0))
            life = self._begin()
            self.lives.append(life)
            await asyncio.wait([life.task])
            self.lives.remove(life)
            error = None if life.task.cancelled() else life.task.exception()
            if error is not None and not isinstance(error, Died):
                self.world.fault(f"{life.actor.name} ended with {error!r}")
            life.actor.alive = False

    def _begin(self) -> Life:
        self._started += 1
        world = self.world
        actor = Actor(world, f"worker{self._started}")
        line = Line(self.place, actor, self.audit.look)
        courier = ScriptedCourier(actor, self.receivers, self.in_flight)
        worker = Worker(
            cast(AsyncEngine, line),
            self.place.store,
            courier,
            WorkerSettings(name=actor.name, **self.settings),
            chance=world.rng.random,
            clock=asyncio.get_running_loop().time,
        )
        world.note(actor.name, "starts")
        return Life(actor, worker, asyncio.get_running_loop().create_task(worker.run()))

    def wake(self) -> None:
        """A hint that something was committed."""
        for life in self.lives:
            life.worker.wake()

    async def trouble(self) -> None:
        """One piece of bad luck, or of everyday life."""
        rng, world = self.world.rng, self.world
        life = rng.choice(self.lives) if self.lives else None
        what = rng.choice(["kill", "stop", "stop", "pause", "jump"])
        if what == "jump":
            world.clock_jumps = True
            world.jump(rng.choice([-30.0, -3.0, 2.0, 40.0, 3600.0]) * rng.random())
        elif life is None or not life.actor.alive:
            return
        elif what == "kill":
            life.actor.die()
        elif what == "pause":
            life.actor.frozen_until = world.elapsed + rng.choice([3.0, 20.0, 60.0]) * rng.random()
            world.note(life.actor.name, f"is stopped until {life.actor.frozen_until:.3f}")
        else:
            await self.end(life)

    async def end(self, life: Life) -> None:
        """End one as SIGTERM does."""
        self.world.note(life.actor.name, "is asked to stop")
        await life.worker.stop()
        _, late = await asyncio.wait([life.task], timeout=_STOPS_WITHIN)
        for task in late:
            # What the process leaves behind when it goes without having recorded all.
            life.actor.die()
            task.cancel()
