"""pgqueuer with aiohttp: a PostgreSQL queue that forgets what is done, at its best batch size."""

import asyncio

import aiohttp
import asyncpg
from pgqueuer import AsyncpgPoolDriver, Job, PgQueuer, Queries

from bench.given import BODY, Given, Run

_AT_ONCE = 1000


async def prepare(given: Given) -> Run:
    pool = await asyncpg.create_pool(given.postgresql, min_size=4, max_size=4)
    driver = AsyncpgPoolDriver(pool)
    queries = Queries(driver)
    await queries.install()
    for start in range(0, given.deliveries, _AT_ONCE):
        size = min(_AT_ONCE, given.deliveries - start)
        await queries.enqueue(["post"] * size, [BODY] * size, [0] * size)
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=given.concurrency))
    worker, done, finished = PgQueuer(driver), 0, asyncio.Event()

    @worker.entrypoint("post")
    async def post(job: Job) -> None:
        nonlocal done
        headers = {"content-type": "application/json"}
        async with session.post(given.url, data=job.payload, headers=headers) as answer:
            assert answer.status == 200
            await answer.read()
        done += 1
        if done == given.deliveries:
            finished.set()

    async def run() -> int:
        task = asyncio.create_task(worker.run(batch_size=given.options["batch"]))
        await finished.wait()
        assert not task.done()
        return done

    return run
