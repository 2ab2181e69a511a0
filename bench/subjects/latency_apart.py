"""From commit to first byte, app and worker as two processes that share a PostgreSQL."""

from fastapi import FastAPI

from bench.app import make_app
from bench.given import Given, Numbers, Run
from bench.subjects.latency_embedded import latencies
from bench.workers import workers


async def prepare(given: Given) -> Run:
    app = FastAPI()
    ringback = make_app(app, database=given.database, worker="external")
    await ringback.migrate()

    async def run() -> Numbers:
        async with app.router.lifespan_context(app), workers(given, 1):
            return await latencies(ringback, given)

    return run
