"""Ringback as apps run it: durable, signed, in order, every answer checked and acknowledged."""

import asyncio
import time
from typing import Any

from sqlalchemy import text

from bench.app import InvoiceEventReceived, invoice_notification, make_app
from bench.given import Given, Run
from bench.seeding import seed
from ringback import Ringback
from ringback.cli.worker import spare_the_collector

_OPEN = text("SELECT 1 FROM ringback_deliveries WHERE state IN ('pending', 'sending') LIMIT 1")


class Answers:
    """Counts the answers that the app acknowledges, and remembers when each thousandth came."""

    def __init__(self, wanted: int) -> None:
        self.count = 0
        self.times: list[float] = []
        self.all = asyncio.Event()
        self._wanted = wanted

    def acknowledge(self, answer: InvoiceEventReceived) -> bool:
        """What the app says of an answer."""
        self.count += 1
        if not self.count % 1000:
            self.times.append(time.perf_counter())
        if self.count == self._wanted:
            self.all.set()
        return answer.ok

    def rate(self) -> float:
        """Answers a second between the first and the last thousandth."""
        return 1000 * (len(self.times) - 1) / (self.times[-1] - self.times[0])


def make_worker(given: Given, wanted: int, **settings: Any) -> tuple[Ringback, Answers]:
    """An app with a worker, set up as by ``ringback worker``: as many calls side by side as the peers."""
    settings = {"in_flight": given.concurrency, "concurrency": given.concurrency, **settings}
    ringback, answers = make_app(database=given.database, **settings), Answers(wanted)
    ringback.acknowledge(invoice_notification, answers.acknowledge)
    spare_the_collector()
    return ringback, answers


async def until_recorded(ringback: Ringback) -> None:
    """Wait until nothing is owed any more."""
    while True:
        async with ringback.engine.connect() as connection:
            await connection.execution_options(sqlite_read_only=True)
            if (await connection.execute(_OPEN)).first() is None:
                return
        await asyncio.sleep(0.002)


async def prepare(given: Given) -> Run:
    options = {name: given.options[name] for name in ("places", "v1a") if name in given.options}
    await seed(given.database, given.deliveries, f"{given.receiver}/events", **options)
    ringback, answers = make_worker(given, given.deliveries)

    async def run() -> int:
        async with ringback.running():
            await answers.all.wait()
            await until_recorded(ringback)
            assert answers.count == given.deliveries, "each delivery was made once"
            return given.deliveries

    return run
