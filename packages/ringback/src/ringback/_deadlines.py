"""One timer for all requests that are out: ends each of them when its own deadline passes."""

import asyncio
from collections.abc import Iterable
from math import inf

from ringback._connection import Connection

__all__ = ["Deadlines"]


class Deadlines:
    """Watches the connections of one transport.

    A timer for each request costs a fifth of a whole request; almost none of them would ever fire. This one
    timer stands at the earliest deadline known, and moves on when it finds nothing late.
    """

    def __init__(self, connections: Iterable[Connection]) -> None:
        self._connections = connections
        self._timer: asyncio.TimerHandle | None = None
        self._at = inf

    def watch(self, deadline: float) -> None:
        """See to it that a connection with this deadline (in the loop's time) is ended when it passes."""
        if deadline < self._at:
            self._set(deadline)

    def close(self) -> None:
        """Watch no more."""
        self._set(inf)

    def _set(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._at = at
        self._timer = None if at == inf else asyncio.get_running_loop().call_at(at, self._end_late)

    def _end_late(self) -> None:
        now = asyncio.get_running_loop().time()
        next_deadline = inf
        for connection in list(self._connections):
            if connection.deadline <= now:
                connection.expire()
            elif connection.deadline < next_deadline:
                next_deadline = connection.deadline
        self._set(next_deadline)
