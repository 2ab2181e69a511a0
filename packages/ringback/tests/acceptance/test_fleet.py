"""Several processes on one PostgreSQL, with no leader: they share the work and take over from the dead."""

import signal
import time
from collections import Counter
from typing import Any

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="session")

# The longest attempt, how long what is claimed may wait for its place, and the margin.
LEASE = 1.0 + 0.3 + 0.2


@pytest.fixture
def fleet(new_site: Any) -> Any:
    return new_site("postgresql")


async def test_workers_share_the_work_and_nothing_is_sent_twice(fleet: Any) -> None:
    await fleet.migrate()
    apis = [await fleet.serve(worker="external") for _ in range(2)]
    for _ in range(3):
        await fleet.work(in_flight=5)
    for number, api in enumerate(apis):
        async with fleet.client(api) as client:
            await fleet.pay_many(client, f"api{number}", 150, "slow-5")
    await fleet.until_ended()
    assert await fleet.broken() == []
    ledger = await fleet.ledger()
    workers = Counter(attempt.worker for rows in ledger.attempts.values() for attempt in rows)
    assert len(fleet.sightings()) == 300
    assert len(workers) == 3
    assert sum(workers.values()) == 300


async def test_what_a_killed_worker_held_is_taken_over_within_the_lease(fleet: Any) -> None:
    await fleet.migrate()
    api = await fleet.serve(worker="external")
    async with fleet.client(api) as client:
        await fleet.pay_many(client, "held", 20, "slow-400")
        victim = await fleet.work({"point": "answered", "at": 1}, in_flight=20)
        assert await victim.end() == -signal.SIGKILL
        died = time.time()
        assert (await fleet.states())["sending"] == 20
        await fleet.work(in_flight=20)
        # What was due all along does not wait for what is taken over.
        await fleet.pay_many(client, "new", 5, "ok")
        await fleet.until(lambda states: states.get("delivered", 0) >= 5, timeout=LEASE + 10)
        await fleet.until_ended()
    ledger = await fleet.ledger()
    again = [rows[1].started_at for rows in ledger.attempts.values() if len(rows) > 1]
    assert len(again) == 20
    assert max(again) - died < LEASE + 0.3 + 1.5
    assert all(rows[0].outcome == "unknown" for rows in ledger.attempts.values() if len(rows) > 1)
    assert await fleet.broken() == []


async def test_workers_come_and_go_while_work_comes_in(fleet: Any) -> None:
    await fleet.migrate()
    api = await fleet.serve(worker="external")
    async with fleet.client(api) as client:
        stays = await fleet.work(in_flight=4)
        for number in range(3):
            leaves, dies = await fleet.work(in_flight=4), await fleet.work(in_flight=4)
            await fleet.pay_many(client, f"wave{number}", 60, "slow-20")
            await fleet.until_sighted(60 * number + 30)
            leaves.signal(signal.SIGTERM)
            dies.signal(signal.SIGKILL)
            assert await leaves.end() == 0
        await fleet.until_ended()
        stays.signal(signal.SIGTERM)
        assert await stays.end() == 0
    assert await fleet.broken() == []
    assert set(await fleet.states()) == {"delivered"}


async def test_a_commit_in_one_process_wakes_the_worker_of_another(fleet: Any) -> None:
    """The worker polls every minute here: what arrives sooner was told of by NOTIFY."""
    await fleet.migrate()
    api = await fleet.serve(worker="external")
    await fleet.work(worker_settings={"poll": 60.0, "upkeep": 60.0})
    async with fleet.client(api) as client:
        for number in range(5):
            await fleet.pay_many(client, f"told{number}", 1, "ok")
            await fleet.until_sighted(number + 1, timeout=10)
