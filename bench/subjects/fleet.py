"""Worker processes on one PostgreSQL, before a receiver that takes 50 ms."""

import asyncio

import asyncpg

from bench.given import Given, Numbers, Run
from bench.paced_receiver import ask
from bench.seeding import seed
from bench.workers import workers

_WINDOW_SECONDS = 4.0


async def prepare(given: Given) -> Run:
    count = given.options["workers"]
    # Enough for the window and for the time in which the first workers wait for the last.
    await seed(given.database, given.deliveries * count, f"{given.paced}/after/50", places=16)

    async def run() -> Numbers:
        async with workers(given, count):
            await _until_all_work(given, count)
            before = await ask(given.paced, "count")
            await asyncio.sleep(_WINDOW_SECONDS)
            return {"rate": (await ask(given.paced, "count") - before) / _WINDOW_SECONDS}

    return run


async def _until_all_work(given: Given, count: int) -> None:
    connection = await asyncpg.connect(given.postgresql)
    while await connection.fetchval("SELECT count(DISTINCT worker) FROM ringback_attempts") < count:  # noqa: ASYNC110
        await asyncio.sleep(0.5)
    await connection.close()
    await asyncio.sleep(0.5)
