"""How often somebody may do something: token buckets in the memory of this process."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

__all__ = ["Allowances"]

_REMEMBERED: Final = 10_000


class Allowances:
    """For each name `burst` at once, and then so many `per_minute`."""

    def __init__(self, per_minute: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_minute / 60
        self._burst = float(burst)
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str) -> int:
        """Use one; 0, or the seconds after which there is one again, and then nothing was used."""
        now = self._clock()
        left, then = self._left.pop(name, (self._burst, now))
        left = min(self._burst, left + (now - then) * self._per_second)
        is_there = left >= 1
        self._left[name] = (left - is_there, now)
        if len(self._left) > _REMEMBERED:
            self._left.popitem(last=False)
        return 0 if is_there else max(1, math.ceil((1 - left) / self._per_second))
