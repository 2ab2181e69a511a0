"""DBOS with aiohttp: a workflow of one step for each delivery, from a queue in PostgreSQL."""

import asyncio
from typing import Any

import aiohttp
from dbos import DBOS

from bench.given import EVENT, Given, Run


async def prepare(given: Given) -> Run:
    url = given.postgresql.replace("postgresql://", "postgresql+psycopg://")
    DBOS(config={"name": "peer", "system_database_url": url, "log_level": "ERROR"})
    sessions: list[aiohttp.ClientSession] = []
    done, finished = 0, asyncio.Event()
    loop = asyncio.get_running_loop()

    def one_is_done() -> None:
        nonlocal done
        done += 1
        if done == given.deliveries:
            finished.set()

    @DBOS.step(retries_allowed=True)
    async def send(body: dict[str, Any]) -> None:
        if not sessions:  # made in the loop that DBOS runs its workflows in
            connector = aiohttp.TCPConnector(limit=given.concurrency)
            sessions.append(aiohttp.ClientSession(connector=connector))
        async with sessions[0].post(given.url, json=body) as answer:
            assert answer.status == 200
            await answer.read()

    @DBOS.workflow()
    async def post(body: dict[str, Any]) -> None:
        await send(body)
        loop.call_soon_threadsafe(one_is_done)

    DBOS.launch()
    await DBOS.register_queue_async("post", worker_concurrency=given.concurrency, polling_interval_sec=0.05)

    async def run() -> int:
        for _ in range(given.deliveries):
            await DBOS.enqueue_workflow_async("post", post, EVENT)
        await finished.wait()
        return done

    return run
