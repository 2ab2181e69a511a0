"""``POST /invoices/`` against a server on this core, from wrk on the other.

Options: `server` is tutorial (the tutorial's app as written) or service (invoice, target and mail stored
before it answers; a worker of its own would deliver them); `newer_sqlite` takes the SQLite of a wheel.
"""

import asyncio
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path

from bench.given import Given, Numbers, Run
from bench.receiver import free_port, until_open

_CONNECTIONS = 32
_LUA = Path(__file__).parent.parent / "post.lua"


async def prepare(given: Given) -> Run:
    port = free_port()
    command = [sys.executable, "-m", *(["bench.newer_sqlite"] if given.options.get("newer_sqlite") else [])]
    environment = os.environ | {
        "INVOICES_DATABASE_URL": given.database,
        "INVOICES_DATA_DIR": given.folder,
        "INVOICES_WORKER": "external",
        "INVOICES_CALLBACK_ALLOW_NETWORKS": "127.0.0.0/8",
    }
    if given.options["server"] == "service":
        migrate = await asyncio.create_subprocess_exec(*command, "invoices", "migrate", env=environment)
        assert await migrate.wait() == 0
        command += ["invoices", "serve", "--port", str(port)]
    else:
        command += ["uvicorn", "bench.tutorial:app", "--port", str(port), "--no-access-log"]
    await asyncio.create_subprocess_exec(*command, env=environment, stdout=DEVNULL, stderr=DEVNULL)
    await asyncio.to_thread(until_open, port)
    await _wrk(port, 1.5)

    async def run() -> Numbers:
        return await _wrk(port, given.deliveries / 1000)

    return run


async def _wrk(port: int, seconds: float) -> Numbers:
    """Requests a second, and percentiles in milliseconds, of wrk's own run."""
    command = ["taskset", "-c", "1", "wrk", "-t1", f"-c{_CONNECTIONS}", f"-d{max(1, round(seconds))}s"]
    process = await asyncio.create_subprocess_exec(
        *(*command, "--timeout", "30s", "--latency", "-s", str(_LUA), f"http://127.0.0.1:{port}"),
        env=os.environ | {"BENCH_PREFIX": f"i{os.urandom(4).hex()}-"},
        stdout=PIPE,
    )
    output, _ = await process.communicate()
    found = json.loads(output.decode().strip().splitlines()[-1])
    assert not found["failed"], f"{found['failed']} of {found['requests']} requests failed"
    rate, tail = found["requests"] / found["seconds"], found["p99"] / found["p50"]
    return {"rate": rate, "p50": found["p50"], "p99": found["p99"], "tail": tail}
