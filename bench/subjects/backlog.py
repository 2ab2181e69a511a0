"""How fast deliveries leave while very many are due, or while most of those belong to a hanging destination.

Ringback's usual settings; the healthy ones go to a hundred destinations. Options: `hanging`, the share of the
due ones that never get an answer.
"""

from sqlalchemy import text

from bench.given import Given, Numbers, Run
from bench.seeding import seed
from bench.subjects.ringback_worker import make_worker

MEASURED = 18_000
_PLACES = 100


async def prepare(given: Given) -> Run:
    hanging = int(given.options.get("hanging", 0) * given.deliveries)
    healthy = given.deliveries - hanging
    measured = min(MEASURED, healthy // 6)
    if not await _is_seeded(given):
        await seed(given.database, healthy, f"{given.receiver}/events", places=_PLACES)
        if hanging:
            await seed(given.database, hanging, f"{given.paced}/hang", key="hanging")
    ringback, answers = make_worker(given, measured, in_flight=16, concurrency=256)

    async def run() -> Numbers:
        async with ringback.running(grace=0):
            await answers.all.wait()
            return {"rate": answers.rate()}

    return run


async def _is_seeded(given: Given) -> bool:
    ringback, _ = make_worker(given, 0)
    await ringback.migrate()
    async with ringback.engine.connect() as connection:
        found = await connection.execute(text("SELECT 1 FROM ringback_deliveries LIMIT 1"))
        return found.first() is not None
