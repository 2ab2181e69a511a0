"""From commit to first byte for healthy destinations under a steady flow, while a share of all hangs.

Two hundred destinations take turns; `hanging` of a hundred never answer. Ringback's usual settings.
"""

import asyncio
import time

from bench.app import owe
from bench.given import Given, Numbers, Run
from bench.paced_receiver import ask
from bench.percentiles import percentile
from bench.subjects.ringback_worker import make_worker

_DESTINATIONS = 200
_PER_SECOND = 100


async def prepare(given: Given) -> Run:
    ringback, _ = make_worker(given, 0, in_flight=16, concurrency=256)
    await ringback.migrate()
    healthy: dict[str, float] = {}

    async def send(number: int) -> None:
        spot = number % _DESTINATIONS
        hangs = spot % 100 < given.options["hanging"]
        place = given.paced.replace("127.0.0.1", f"127.3.0.{spot + 1}")
        async with ringback.transaction() as session:
            await owe(ringback, session, str(number), f"{place}/{'hang' if hangs else 'stamped'}")
        if not hangs:
            healthy[f"/stamped/invoices/{number}"] = time.monotonic()

    async def run() -> Numbers:
        async with ringback.running(grace=0):
            start = time.monotonic()
            for number in range(given.deliveries):
                await asyncio.sleep(max(0.0, start + number / _PER_SECOND - time.monotonic()))
                await send(number)
            await asyncio.sleep(1.0)
            stamps = await ask(given.paced, "stamps")
        late = time.monotonic() + 1.0  # what has not come by now counts as that late
        took = [1000 * (stamps.get(path, late) - moment) for path, moment in healthy.items()]
        return {"p50": percentile(took, 0.5), "p99": percentile(took, 0.99)}

    return run
