"""Celery with Redis and requests, acknowledged late: one worker, whose solo pool is its fastest here."""

import asyncio
import os
import subprocess
import sys
import time

import redis.asyncio as redis

from bench.given import EVENT, Given, Numbers, Run


async def prepare(given: Given) -> Run:
    os.environ |= {"BENCH_REDIS": given.redis, "BENCH_URL": given.url}
    counter = redis.Redis.from_url(given.redis)
    await counter.flushall()
    from bench.subjects.celery_tasks import post

    for _ in range(given.deliveries):
        post.delay(EVENT)
    command = [sys.executable, "-m", "celery", "-A", "bench.subjects.celery_tasks", "worker", "-l", "ERROR"]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    pool = ["-P", "solo"]

    async def until(count: int) -> int:
        while (done := int(await counter.get("done") or 0)) < count:  # noqa: ASYNC110 - only Redis knows
            await asyncio.sleep(0.005)
        return done

    async def run() -> Numbers:
        process = await asyncio.create_subprocess_exec(*command, *quiet, *pool, stdout=subprocess.DEVNULL)
        try:
            begun = await until(1)  # what it takes to start does not count
            start = time.perf_counter()
            done = await until(given.deliveries)
            return {"rate": (done - begun) / (time.perf_counter() - start)}
        finally:
            process.terminate()
            await process.wait()

    return run
