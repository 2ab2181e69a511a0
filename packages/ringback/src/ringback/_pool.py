"""Connections that wait for their next request: few, for a short time, and never for another owner."""

import asyncio
from collections.abc import Collection

from ringback._connection import Connection, Place
from ringback._message import Limits
from ringback._urls import IPAddress

__all__ = ["Pool"]

_TRUSTED_SECONDS = 0.2


class Pool:
    """Idle connections by place; the one used last is taken first, so that the others can end."""

    def __init__(self, limits: Limits) -> None:
        self.closed = False
        self._limits = limits
        self._idle: dict[Place, list[Connection]] = {}
        self._count = 0
        self._sweep: asyncio.TimerHandle | None = None

    def take(self, place: Place, addresses: Collection[IPAddress], now: float) -> Connection | None:
        """An idle connection of `place` to one of the addresses that were judged just now, or None."""
        waiting = self._idle.get(place)
        while waiting:
            connection = waiting.pop()
            self._count -= 1
            if not connection.closed:
                age = now - connection.idle_since
                if (
                    age < self._limits.idle
                    and connection.address in addresses
                    and (age < _TRUSTED_SECONDS or connection.is_fresh())
                ):
                    return connection
                connection.close()
        return None

    def give(self, connection: Connection, now: float) -> None:
        """Keep a connection for its place, or close it if enough wait already."""
        waiting = self._idle.setdefault(connection.place, [])
        full = len(waiting) >= self._limits.idle_per_place or self._count >= self._limits.idle_total
        if full or self.closed:
            connection.close()
            return
        connection.idle_since = now
        waiting.append(connection)
        self._count += 1
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(self._limits.idle / 2, self._close_old)

    def close(self) -> None:
        """Keep none from now on. Those that wait are open still, and known to the transport."""
        self.closed = True
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        self._idle.clear()
        self._count = 0

    def _close_old(self) -> None:
        loop = asyncio.get_running_loop()
        oldest = loop.time() - self._limits.idle
        self._count = 0
        for place, waiting in list(self._idle.items()):
            keep = []
            for connection in waiting:
                if not connection.closed and connection.idle_since > oldest:
                    keep.append(connection)
                else:
                    connection.close()
            if keep:
                self._idle[place] = keep
                self._count += len(keep)
            else:
                del self._idle[place]
        self._sweep = loop.call_later(self._limits.idle / 2, self._close_old) if self._idle else None
