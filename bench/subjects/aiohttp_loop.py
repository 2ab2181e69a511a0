"""aiohttp in a plain loop: nothing is stored, nothing is judged, a crash forgets all."""

import asyncio

import aiohttp

from bench.given import BODY, HEADERS, Given, Run
from bench.subjects.side_by_side import call_side_by_side


async def prepare(given: Given) -> Run:
    connector = aiohttp.TCPConnector(limit=given.concurrency)
    session = aiohttp.ClientSession(connector=connector, auto_decompress=False)

    async def call() -> None:
        async with session.post(given.url, data=BODY, headers=HEADERS, allow_redirects=False) as answer:
            assert answer.status == 200
            await answer.read()

    async def run() -> int:
        return await call_side_by_side(call, times=given.deliveries, concurrency=given.concurrency)

    await asyncio.gather(*(call() for _ in range(given.concurrency)))  # connections are open when time starts
    return run
