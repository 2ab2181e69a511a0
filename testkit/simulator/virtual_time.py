"""An event loop whose time is made up: it leaps to the next timer, so hours take no time."""

import asyncio
import selectors
from collections.abc import Callable
from contextvars import Context
from typing import Any, Final

__all__ = ["LeapingLoop", "Stuck"]

_LOOKS_WITHOUT_TIME: Final = 50_000


class Stuck(AssertionError):
    """Nothing will ever happen again, or time stands still while something turns in circles."""


class _Leaping(selectors.SelectSelector):
    """Waits for nothing: it tells how long the loop would have waited."""

    def __init__(self, leap: Callable[[float | None], None]) -> None:
        super().__init__()
        self._leap = leap

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._leap(timeout)
        return []


class _Task(asyncio.Task[Any]):
    """Tasks with numbers of their own, so that sets of them have one order in every run."""

    number = 0

    def __hash__(self) -> int:
        return self.number


class LeapingLoop(asyncio.SelectorEventLoop):
    """The loop of a simulation; it must touch no real socket, thread or process."""

    def __init__(self) -> None:
        self._made_up = 0.0
        self._looks = 0
        self._tasks = 0
        super().__init__(_Leaping(self._leap))
        self.set_task_factory(self._numbered)

    def time(self) -> float:
        """Seconds since the simulation began."""
        return self._made_up

    def _leap(self, timeout: float | None) -> None:
        self._looks = 0 if timeout else self._looks + 1
        if timeout is None:
            raise Stuck("everybody waits, and nothing will ever happen")
        if self._looks > _LOOKS_WITHOUT_TIME:
            raise Stuck(f"time stands still at {self._made_up:.3f} s while something turns in circles")
        self._made_up += max(timeout, 0.0)

    def _numbered(
        self, loop: asyncio.AbstractEventLoop, work: Any, *, context: Context | None = None, **more: Any
    ) -> asyncio.Task[Any]:
        self._tasks += 1
        # Its hash is asked for while it is made.
        kind = type("_Task", (_Task,), {"number": self._tasks})
        task: asyncio.Task[Any] = kind(work, loop=loop, context=context, **more)
        return task
