"""A plain loop: so many tasks that call one after the other until all calls are made."""

import asyncio
from collections.abc import Awaitable, Callable


async def call_side_by_side(call: Callable[[], Awaitable[object]], *, times: int, concurrency: int) -> int:
    """Make `times` calls with `concurrency` tasks; returns how many were made."""
    left = iter(range(times))

    async def task() -> None:
        for _ in left:
            await call()

    await asyncio.gather(*(task() for _ in range(concurrency)))
    return times
