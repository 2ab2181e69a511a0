"""Worker processes, started as an operator starts them."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench.given import Given


@asynccontextmanager
async def workers(given: Given, count: int, *, in_flight: int = 16) -> AsyncIterator[None]:
    """Run ``ringback worker`` so many times while the block runs."""
    figures = {"BENCH_DATABASE": given.database, "BENCH_CONCURRENCY": str(given.concurrency)}
    environment = os.environ | figures | {"BENCH_IN_FLIGHT": str(in_flight)}
    command = [sys.executable, "-m", "ringback", "worker", "bench.worker_app:app", "--quiet", "--grace", "0"]
    running = [
        await asyncio.create_subprocess_exec(
            *command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(count)
    ]
    try:
        yield
    finally:
        for process in running:
            process.terminate()
        for process in running:
            await process.wait()
