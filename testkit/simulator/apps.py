"""What API processes do: bind, send, cancel, replay, enable and disable, in transactions of their own."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError, OperationalError
from testkit.simulator.database import Line
from testkit.simulator.world import Actor, World

from ringback._store.store import Store

__all__ = ["App", "Shelf"]

OWNERS = ("acme", "zeta")
HOSTS = ("a.example", "b.example", "c.example")


class ChangedItsMind(Exception):
    """The app raises in its own transaction."""


@dataclass
class Shelf:
    """What all apps know together: whom they can call, and what they were told is committed."""

    world: World
    keys: list[tuple[str, str]] = field(default_factory=list)
    hosts: dict[str, str] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)
    rolled_back: set[str] = field(default_factory=set)
    made: list[str] = field(default_factory=list)
    poison_left: int = 0
    crowds: bool = False

    def bind(self, connection: Connection, store: Store) -> None:
        """Make the targets, before the story begins."""
        rng = self.world.rng
        for number in range(rng.randint(1, 4)):
            owner, key = rng.choice(OWNERS), f"invoice{number}"
            self.hosts[key] = rng.choice(HOSTS)
            store.targets.add(connection, owner, "op", key, {"cb": {"url": "u"}})
            self.keys.append((owner, key))
        self.poison_left = rng.choice([0, 0, 0, 1])
        self.crowds = rng.random() < 0.25

    def new_id(self) -> str:
        """A message id."""
        self.made.append(f"msg_{len(self.made) + 1}")
        return self.made[-1]

    def destination(self, owner: str, key: str) -> tuple[str, str]:
        """Where it queues, and its endpoint."""
        host = self.hosts[key]
        return f"https://{host}:443 {owner}", f"https://{host}/events"


@dataclass
class App:
    """One API process: one transaction after the other, each with a few steps."""

    actor: Actor
    line: Line
    store: Store
    shelf: Shelf
    wake: Callable[[], None]

    async def run(self) -> None:
        """Serve a handful of requests."""
        rng = self.actor.world.rng
        for _ in range(rng.randint(2, 7)):
            await self.actor.sleep(rng.choice([0.01, 1.0, 8.0]) * rng.random())
            steps = [self._step() for _ in range(rng.choice([1, 1, 2, 3]))]
            again = rng.randint(0, 2)
            # A client that is not answered asks again with the same words.
            while not await self._transaction(steps) and again:
                again -= 1
                await self.actor.sleep(rng.random())

    async def _transaction(self, steps: list[Callable[[Connection], str | None]]) -> bool:
        world, ids = self.actor.world, list[str]()

        def work(connection: Connection) -> None:
            for step in steps:
                id_ = step(connection)
                if id_ is not None:
                    ids.append(id_)
            if fickle:
                raise ChangedItsMind

        fickle = world.happens(0.1)
        lingers = world.rng.choice([0, 0, 0, 0, 0.5, 3.0])
        try:
            async with self.line.begin() as connection:
                await connection.run_sync(work)
                await self.actor.sleep(lingers * world.rng.random())
        except ChangedItsMind:
            self.shelf.rolled_back.update(ids)
            world.note(self.actor.name, f"changes its mind about {ids}")
            return True
        except (OperationalError, IntegrityError) as error:
            world.note(self.actor.name, f"is not sure of {ids}: {error.orig}")
            return False
        self.shelf.acknowledged.update(ids)
        world.note(self.actor.name, f"has committed {ids}")
        if not world.happens(world.odds.hint_lost):
            self.wake()
        return True

    def _step(self) -> Callable[[Connection], str | None]:
        rng = self.actor.world.rng
        kinds = (
            [self._send] * 12
            + [self._mail] * 2
            + [self._cancel] * 3
            + [self._replay] * 2
            + [self._switch] * 2
        )
        return rng.choice([*kinds, self._crowd] if self.shelf.crowds else kinds)()

    def _send(self) -> Callable[[Connection], str | None]:
        rng, shelf = self.actor.world.rng, self.shelf
        owner, key = rng.choice(shelf.keys)
        ordered = rng.random() < 0.85
        same = f"event {len(shelf.made)}" if rng.random() < 0.5 else None
        delay = rng.choice([0.0, 0.0, 0.0, 0.0, 5.0, 30.0])
        body = b"{}"
        if shelf.poison_left and rng.random() < 0.3:
            shelf.poison_left -= 1
            body = b"poison"

        def step(connection: Connection) -> str | None:
            look = self.store.targets.take_sequence if ordered else self.store.targets.find
            target = look(connection, owner, "op", key)
            assert target is not None
            place = {"target_id": target.id, "sequence": target.sequence}
            return self._add(connection, owner, key, place | {"idempotency_key": same}, delay, body)

        return step

    def _crowd(self) -> Callable[[Connection], str | None]:
        """Many at once for one target, in order or not."""
        rng = self.actor.world.rng
        owner, key = rng.choice(self.shelf.keys)
        count, ordered = rng.choice([8, 12]), rng.random() < 0.3

        def step(connection: Connection) -> str | None:
            last = None
            for _ in range(count):
                look = self.store.targets.take_sequence if ordered else self.store.targets.find
                target = look(connection, owner, "op", key)
                assert target is not None
                place = {"target_id": target.id, "sequence": target.sequence}
                last = self._add(connection, owner, key, place, 0.0, b"{}")
            return last

        return step

    def _mail(self) -> Callable[[Connection], str | None]:
        owner = self.actor.world.rng.choice(OWNERS)

        def step(connection: Connection) -> str | None:
            place = {"destination": f"mail {owner}", "endpoint": "mail:someone", "channel": "mail"}
            return self._add(connection, owner, "", place, 0.0, b"{}")

        return step

    def _add(
        self, connection: Connection, owner: str, key: str, place: dict[str, Any], delay: float, body: bytes
    ) -> str | None:
        destination, endpoint = self.shelf.destination(owner, key) if key else ("", "")
        values: dict[str, Any] = {
            "message_id": self.shelf.new_id(),
            "channel": "http",
            "owner": owner,
            "destination": destination,
            "endpoint": endpoint,
            "target_id": None,
            "sequence": None,
            "operation": "op",
            "callback": "cb",
            "contract": "f",
            "method": "POST",
            "url": endpoint,
            "headers": [],
            "body": body,
            "idempotency_key": None,
            "delay": delay,
        }
        added = self.store.targets.add_delivery(connection, values | place)
        return values["message_id"] if added is not None else None

    def _cancel(self) -> Callable[[Connection], None]:
        return self._steer(self.store.operations.cancel)

    def _replay(self) -> Callable[[Connection], None]:
        delay = self.actor.world.rng.choice([0.0, 0.0, 3.0])
        return self._steer(lambda connection, id_: self.store.operations.replay(connection, id_, delay=delay))

    def _steer(self, do: Callable[[Connection, str], Any]) -> Callable[[Connection], None]:
        made = self.shelf.made or ["msg_1"]
        id_ = self.actor.world.rng.choice(made[-6:])

        def step(connection: Connection) -> None:
            do(connection, id_)

        return step

    def _switch(self) -> Callable[[Connection], None]:
        """Disable an endpoint, or enable it again."""
        rng = self.actor.world.rng
        owner, key = rng.choice(self.shelf.keys)
        _, endpoint = self.shelf.destination(owner, key)
        on = rng.random() < 0.7

        def step(connection: Connection) -> None:
            if on:
                self.store.operations.enable(connection, owner, endpoint)
            else:
                self.store.operations.disable(connection, owner, endpoint, "an operator")

        return step


async def bind_all(line: Line, store: Store, shelf: Shelf) -> None:
    """Make all targets in one transaction."""
    with suppress(IntegrityError):
        async with line.begin() as connection:
            await connection.run_sync(shelf.bind, store)
