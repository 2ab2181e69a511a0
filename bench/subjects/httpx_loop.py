"""httpx in a plain loop, with one client kept for all: the tutorial's line at its best."""

import httpx

from bench.given import BODY, HEADERS, Given, Run
from bench.subjects.side_by_side import call_side_by_side


async def prepare(given: Given) -> Run:
    limits = httpx.Limits(max_connections=given.concurrency, max_keepalive_connections=given.concurrency)
    client = httpx.AsyncClient(limits=limits, trust_env=False)

    async def call() -> None:
        answer = await client.post(given.url, content=BODY, headers=HEADERS)
        assert answer.status_code == 200

    async def run() -> int:
        return await call_side_by_side(call, times=given.deliveries, concurrency=given.concurrency)

    await call_side_by_side(call, times=given.concurrency, concurrency=given.concurrency)
    return run
