"""From commit to first byte, app and worker in one process, with nothing else to do."""

import asyncio
import random
import time

from bench.app import owe
from bench.given import Given, Numbers, Run
from bench.paced_receiver import ask
from bench.percentiles import percentile
from bench.subjects.ringback_worker import make_worker
from ringback import Ringback


async def prepare(given: Given) -> Run:
    ringback, _ = make_worker(given, given.deliveries)

    async def run() -> Numbers:
        async with ringback.running():
            return await latencies(ringback, given)

    return run


async def latencies(ringback: Ringback, given: Given) -> Numbers:
    """Milliseconds from a commit until its delivery reaches the receiver, one delivery after another."""
    await _owe_one(ringback, given, "first")  # everything is loaded, compiled and connected once
    while not await ask(given.paced, "stamps"):  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    committed = {}
    for number in range(given.deliveries):
        await asyncio.sleep(random.uniform(0.02, 0.04))
        committed[path_of(str(number))] = await _owe_one(ringback, given, str(number))
    arrived: dict[str, float] = {}
    for _ in range(100):
        arrived |= await ask(given.paced, "stamps")
        if len(arrived) >= len(committed):
            break
        await asyncio.sleep(0.05)
    took = [1000 * (arrived[path] - moment) for path, moment in committed.items()]
    return {"p50": percentile(took, 0.5), "p99": percentile(took, 0.99)}


def path_of(key: str) -> str:
    """The path at which the receiver notes the delivery of one invoice."""
    return f"/stamped/invoices/{key}"


async def _owe_one(ringback: Ringback, given: Given, key: str) -> float:
    async with ringback.transaction() as session:
        await owe(ringback, session, key, f"{given.paced}/stamped")
    return time.monotonic()
