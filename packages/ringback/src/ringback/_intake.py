"""What a worker takes on next: due deliveries that it can start at once, fair to every destination."""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection

from ringback._limits import Rates
from ringback._running import Running
from ringback._store.claims import Candidate, Claimed
from ringback._store.store import Store

_MARGIN: Final = 5.0

# So many deliveries of a destination are taken at a time, where there are more destinations than places: what
# the first has opened serves the others. But so many destinations are always looked at.
_AT_A_TIME: Final = 4
_LOOKED_AT: Final = 64


@dataclass(slots=True)
class Taken:
    """What one claim gave; `more` says that there is surely more to take at once."""

    claimed: list[Claimed] = field(default_factory=list)
    secrets: dict[str, tuple[str, ...]] = field(default_factory=dict)
    more: bool = False


class Intake:
    """Chooses and claims; keeps to the rates, and knows whose secrets are fresh."""

    def __init__(
        self,
        store: Store,
        running: Running,
        *,
        worker: str,
        patience: float,
        destinations: int,
        secrets_for: float,
        rate_per_host: float | None,
        rate_per_owner: float | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._running = running
        self._worker = worker
        self._patience = patience
        self._destinations = destinations
        self._secrets_for = secrets_for
        self._clock = clock
        self._secrets_read: dict[str, float] = {}
        self._cursor = ""
        self._hosts = Rates(rate_per_host, clock)
        self._owners = Rates(rate_per_owner, clock)

    def take(self, connection: Connection) -> Taken:
        """Claim what is due and can start now."""
        room = self._running.room()
        if room <= 0:
            return Taken()
        rooms = self._rooms(connection, min(self._destinations, max(_LOOKED_AT, room // _AT_A_TIME)))
        # Destinations that the walk has not come to yet must not wait for the next poll.
        unseen = bool(self._cursor)
        if not rooms:
            return Taken(more=unseen)
        fair = math.ceil(room / len(rooms))
        found = self._store.claims.candidates(connection, list(rooms), min(fair, max(rooms.values())))
        self._set_aside(connection, found)
        chosen = self._choose(found, rooms, room)
        if not chosen:
            return Taken(more=unseen or bool(found))
        claimed: list[Claimed] = []
        for channel, ids in chosen.items():
            lease = self._running.longest(channel) + self._patience + _MARGIN
            claimed += self._store.claims.claim(connection, ids, worker=self._worker, lease=lease)
        failing = {candidate.id for candidate in found if candidate.failing}
        if failing:
            claimed = [one._replace(failing=one.id in failing) for one in claimed]
        return Taken(claimed, self._fresh_secrets(connection, claimed), more=True)

    def have_read(self, owners: Iterable[str]) -> None:
        """These owners' secrets are known from now on: what read them has been committed."""
        self._secrets_read |= dict.fromkeys(owners, self._clock())

    def _rooms(self, connection: Connection, limit: int) -> dict[str, int]:
        """Destinations with pending deliveries, in rotation, and how many more each can take."""
        names = self._walk(connection, limit)
        rooms: dict[str, int] = {}
        for name in names:
            host, _, owner = name.partition(" ")
            rates = min(self._hosts.allowed(host), self._owners.allowed(owner))
            rooms[name] = min(self._running.room_for(name), rates)
        return {name: room for name, room in rooms.items() if room > 0}

    def _walk(self, connection: Connection, limit: int) -> list[str]:
        names = self._store.claims.destinations(connection, after=self._cursor, limit=limit)
        if len(names) < limit:
            if self._cursor:
                wrapped = self._store.claims.destinations(connection, after="", limit=limit - len(names))
                names += [name for name in wrapped if name <= self._cursor]
            self._cursor = ""
        else:
            self._cursor = names[-1]
        return names

    def _set_aside(self, connection: Connection, found: list[Candidate]) -> None:
        refused = [candidate.id for candidate in found if candidate.disabled]
        if refused:
            self._store.results.refuse(connection, refused)
        blocked = {c.id: c.predecessor for c in found if c.predecessor is not None and not c.disabled}
        if blocked:
            self._store.claims.put_behind(connection, blocked)

    def _choose(self, found: Iterable[Candidate], rooms: dict[str, int], room: int) -> dict[str, list[int]]:
        """Which to claim, by channel: each channel's leases outlive its own attempts."""
        chosen: dict[str, list[int]] = {}
        for candidate in found:
            if candidate.predecessor is not None or candidate.disabled:
                continue
            host, _, owner = candidate.destination.partition(" ")
            free = rooms[candidate.destination] > 0 and room > 0
            if free and self._hosts.allowed(host) > 0 and self._owners.allowed(owner) > 0:
                rooms[candidate.destination] -= 1
                self._hosts.spend(host)
                self._owners.spend(owner)
                room -= 1
                chosen.setdefault(candidate.channel, []).append(candidate.id)
        return chosen

    def _fresh_secrets(
        self, connection: Connection, claimed: Iterable[Claimed]
    ) -> dict[str, tuple[str, ...]]:
        """The secrets of owners that have none here yet, or whose were read too long ago."""
        now = self._clock()
        owners = {c.owner for c in claimed}
        stale = [
            o for o in owners if self._secrets_read.get(o, -self._secrets_for) <= now - self._secrets_for
        ]
        if not stale:
            return {}
        return self._store.keys.signing(connection, sorted(stale))
