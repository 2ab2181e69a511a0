"""Celery with Redis and requests, acknowledged late: one worker, its pool as the options say."""

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
    pool = ["-P", given.options["pool"], "-c", str(given.options["processes"])]

    async def done() -> int:
        return int(await counter.get("done") or 0)

    async def run() -> Numbers:
        process = subprocess.Popen([*command, *quiet, *pool], stdout=subprocess.DEVNULL)
        try:
            while not (begun := await done()):  # what it takes to start does not count
                await asyncio.sleep(0.005)
            start = time.perf_counter()
            while (now := await done()) < given.deliveries:
                await asyncio.sleep(0.005)
            return {"rate": (now - begun) / (time.perf_counter() - start)}
        finally:
            process.terminate()
            process.wait(20)

    return run
