"""SIGTERM, SIGSTOP, and a delivery that kills whoever touches it."""

import signal
import time
from typing import Any

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_sigterm_lets_200_attempts_end_and_begins_no_other(site: Any) -> None:
    await site.migrate()
    api = await site.serve(worker="external")
    async with site.client(api) as client:
        await site.pay_many(client, "many", 450, "slow-700")
    worker = await site.work(grace=20.0, in_flight=200, attempt_timeout=20.0)
    await site.until_sighted(200)
    worker.signal(signal.SIGTERM)
    stopped = time.time()
    assert await worker.end() == 0, worker.log_text()
    assert time.time() - stopped < 10
    ledger, sightings = await site.ledger(), site.sightings()
    attempts = [attempt for rows in ledger.attempts.values() for attempt in rows]
    assert {attempt.outcome for attempt in attempts} == {"delivered"}
    assert 200 <= len(attempts) == len(sightings) < 450
    assert max(sighting.at for sighting in sightings) < stopped + 1.0
    assert await site.states() == {"delivered": len(attempts), "pending": 450 - len(attempts)}
    assert await site.broken(may_be_open=True) == []


async def test_sigterm_cuts_off_what_does_not_end_within_the_grace_time(site: Any) -> None:
    await site.migrate()
    api = await site.serve(worker="external")
    async with site.client(api) as client:
        await site.pay_many(client, "held", 30, "hold")
    slow = {"attempt_timeout": 60.0, "delays": [0.0] * 5}
    worker = await site.work(grace=0.3, in_flight=20, **slow)
    await site.until_sighted(20)
    worker.signal(signal.SIGTERM)
    stopped = time.time()
    assert await worker.end() == 0, worker.log_text()
    assert time.time() - stopped < 5
    ledger = await site.ledger()
    attempts = [attempt for rows in ledger.attempts.values() for attempt in rows]
    assert [attempt.outcome for attempt in attempts] == ["retry"] * 20
    assert all(attempt.verdict.startswith("cut off: the worker stopped") for attempt in attempts)
    assert await site.states() == {"pending": 30}
    # Nothing has to wait for a lease: the next worker begins at once.
    await site.work(in_flight=30, **slow)
    await site.until_sighted(50, timeout=5)


@pytest.mark.parametrize("point", ["attempt", "sent", "answered"])
async def test_a_worker_that_was_stopped_longer_than_its_lease_changes_nothing(site: Any, point: str) -> None:
    await site.migrate()
    api = await site.serve(worker="external")
    async with site.client(api) as client:
        await site.pay_many(client, "zombie", 3, "ok")
    zombie = await site.work({"point": point, "at": 2, "signal": "SIGSTOP"})
    await site.until(lambda states: "sending" in states)
    await site.work()
    await site.until_ended()
    before = {id_: row.finished_at for id_, row in (await site.ledger()).deliveries.items()}
    zombie.signal(signal.SIGCONT)
    zombie.signal(signal.SIGTERM)
    assert await zombie.end() == 0, zombie.log_text()
    assert await site.broken() == []
    ledger, sightings = await site.ledger(), site.sightings()
    assert {id_: row.finished_at for id_, row in ledger.deliveries.items()} == before
    assert all(row.state == "delivered" for row in ledger.deliveries.values())
    assert len(sightings) <= 3 + 3
    assert "came after its lease and was not recorded" in zombie.log_text()


@pytest.mark.parametrize(
    ("point", "at"), [("claim:commit", 1), ("record:statement", 2), ("record:commit", 1)]
)
async def test_a_worker_that_was_stopped_in_a_transaction_locks_nothing_for_long(
    new_site: Any, point: str, at: int
) -> None:
    """On PostgreSQL; a SQLite file has one lock, and who is stopped with it stops everybody."""
    site = new_site("postgresql")
    await site.migrate()
    api = await site.serve(worker="external")
    async with site.client(api) as client:
        await site.pay_many(client, "paused", 3, "ok")
    paused = await site.work({"point": point, "at": at, "signal": "SIGSTOP"})
    assert await paused.word() == point
    await site.work()
    await site.until_ended()
    before = {id_: row.finished_at for id_, row in (await site.ledger()).deliveries.items()}
    paused.signal(signal.SIGCONT)
    paused.signal(signal.SIGTERM)
    assert await paused.end() == 0, paused.log_text()
    assert await site.broken() == []
    assert {id_: row.finished_at for id_, row in (await site.ledger()).deliveries.items()} == before
    assert "the database did not answer, trying again" in paused.log_text()


async def test_a_delivery_that_kills_its_worker_is_quarantined_and_the_others_arrive(site: Any) -> None:
    """Innocent ones are under way each time the process dies, and must not be condemned with it."""
    await site.migrate()
    api = await site.serve(worker="external")
    async with site.client(api) as client:
        await site.create(client, "poison", "ok")
        await site.pay(client, "poison", 1)
        await site.pay_many(client, "innocent", 12, "slow-100")
    lives, worker = 0, None
    while worker is None or worker.ended.done():
        lives += 1
        worker = await site.work({"point": "poison"}, attempt_timeout=0.6, lease_margin=0.1)
        await site.until_ended(process=worker)
    ledger = await site.ledger()
    [poisoned] = [row for row in ledger.deliveries.values() if row.url.endswith("poison")]
    assert (poisoned.state, poisoned.attempts) == ("dead", 5)
    assert poisoned.verdict == "quarantined: its worker was lost at every attempt"
    assert await site.states() == {"dead": 1, "delivered": 12}
    assert lives == 6
    assert await site.broken() == []
