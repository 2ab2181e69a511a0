"""procrastinate with aiohttp: tasks in PostgreSQL, one statement for each step of each."""

import asyncio
from typing import Any

import aiohttp
import procrastinate
from procrastinate import PsycopgConnector

from bench.given import EVENT, Given, Run

_AT_ONCE = 1000


async def prepare(given: Given) -> Run:
    app = procrastinate.App(connector=PsycopgConnector(conninfo=given.postgresql))
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=given.concurrency))
    done, finished = 0, asyncio.Event()

    @app.task(queue="post")
    async def post(body: dict[str, object]) -> None:
        nonlocal done
        async with session.post(given.url, json=body) as answer:
            assert answer.status == 200
            await answer.read()
        done += 1
        if done == given.deliveries:
            finished.set()

    await app.open_async()
    await app.schema_manager.apply_schema_async()
    for start in range(0, given.deliveries, _AT_ONCE):
        size = min(_AT_ONCE, given.deliveries - start)
        tasks: list[Any] = [{"body": EVENT}] * size
        await post.batch_defer_async(*tasks)

    async def run() -> int:
        worker = app.run_worker_async(
            concurrency=given.concurrency, queues=["post"], install_signal_handlers=False
        )
        task = asyncio.create_task(worker)
        await finished.wait()
        assert not task.done()
        return done

    return run
