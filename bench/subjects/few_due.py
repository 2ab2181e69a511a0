"""How fast deliveries leave while only ten thousand are due: the same as `backlog`, three times over."""

from bench.given import Given, Numbers, Run
from bench.seeding import seed
from bench.subjects.ringback_worker import make_worker, until_recorded

_TIMES = 3
_DUE = 10_000


async def prepare(given: Given) -> Run:
    due = max(_DUE, given.deliveries)

    async def once(key: str) -> float:
        await seed(given.database, due, f"{given.receiver}/events", places=100, key=key)
        ringback, answers = make_worker(given, due, in_flight=16, concurrency=256)
        async with ringback.running():
            await answers.all.wait()
            await until_recorded(ringback)
        await ringback.engine.dispose()
        return answers.rate()

    async def run() -> Numbers:
        return {"rate": sum([await once(f"invoice-{number}") for number in range(_TIMES)]) / _TIMES}

    return run
