"""A fleet is upgraded one process at a time: tables first, then workers, then the API; and back again."""

import asyncio
import signal
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

pytestmark = pytest.mark.asyncio(loop_scope="session")

# What a migration of a later minor version may do.
ADDITIONS = (
    "ALTER TABLE ringback_deliveries ADD COLUMN region varchar(16)",
    "ALTER TABLE ringback_deliveries ADD COLUMN weight integer NOT NULL DEFAULT 1",
    "ALTER TABLE ringback_attempts ADD COLUMN address text",
    "ALTER TABLE ringback_targets ADD COLUMN note text NOT NULL DEFAULT ''",
    "CREATE INDEX ix_ringback_deliveries_region ON ringback_deliveries (region, due_at)",
    "CREATE TABLE ringback_regions (name varchar(16) PRIMARY KEY)",
    "UPDATE ringback_alembic_version SET version_num = '0002'",
)


@pytest.fixture
def fleet(new_site: Any) -> Any:
    return new_site("postgresql")


async def add_to_tables(site: Any) -> None:
    engine = create_async_engine(site.database)
    async with engine.begin() as connection:
        for statement in ADDITIONS:
            await connection.execute(text(statement))
    await engine.dispose()


async def test_old_and_new_processes_work_side_by_side_while_a_fleet_is_upgraded(fleet: Any) -> None:
    await fleet.migrate()
    old_api = await fleet.serve(worker="external")
    old = await fleet.work(in_flight=4)
    async with fleet.client(old_api) as client:
        await fleet.create(client, "long-lived", "ok")
        await fleet.pay_many(client, "before", 40, "slow-20")
        await add_to_tables(fleet)  # under load
        new = await fleet.work(version=2, in_flight=4)
        await fleet.pay_many(client, "between", 40, "slow-20")
        # An old process that ends may come back: a machine may restart at any moment of an upgrade.
        old.signal(signal.SIGKILL)
        restarted = await fleet.work(in_flight=4)
        new_api = await fleet.serve(version=2, worker="external")
        async with fleet.client(new_api) as new_client:
            await fleet.create(new_client, "young", "ok")
            await fleet.pay(new_client, "young", 1)
            await fleet.pay(client, "long-lived", 1)
            await fleet.pay(new_client, "long-lived", 2)
            await fleet.pay_many(new_client, "after", 40, "slow-20")
            await fleet.pay_many(client, "late", 40, "slow-20")
            await fleet.until_ended()
            assert await fleet.broken() == []
            assert set(await fleet.states()) == {"delivered"}
            workers = {
                a.worker.split(":")[1] for rows in (await fleet.ledger()).attempts.values() for a in rows
            }
            assert workers == {str(process.pid) for process in (old, new, restarted)}
            # Then the old ones leave, and what only the new version knows goes its way.
            restarted.signal(signal.SIGTERM)
            assert await restarted.end() == 0, restarted.log_text()
            await void_and_write(new_client, "young", 3)
            await fleet.until_ended()
    assert set(await fleet.states()) == {"delivered"}


async def void_and_write(client: Any, invoice: str, count: int) -> None:
    answer = await client.post(f"/invoices/{invoice}/void/9")
    assert answer.status_code == 200, answer.text
    for number in range(count):
        answer = await client.post(f"/letters/{number}")
        assert answer.status_code == 200, answer.text


async def test_an_old_worker_judges_by_what_the_new_version_promised(fleet: Any) -> None:
    """It alone delivers a callback that its own code does not declare, and one that it declares otherwise."""
    await fleet.migrate()
    api = await fleet.serve(version=2, worker="external")
    await fleet.work(version=1)
    async with fleet.client(api) as client:
        await fleet.create(client, "young", "ok")
        await fleet.pay(client, "young", 1)
        await void_and_write(client, "young", 0)
        await fleet.until_ended()
    ledger = await fleet.ledger()
    assert sorted(row.callback for row in ledger.deliveries.values()) == [
        "invoice_notification", "invoice_voided",
    ]  # fmt: skip
    for row in ledger.deliveries.values():
        assert (row.state, row.verdict, row.breach) == ("delivered", "answered 200 as documented", None)
    assert await fleet.broken() == []


async def test_what_an_old_worker_cannot_do_waits_for_a_new_one(fleet: Any) -> None:
    """A channel is code: who does not have it fails the attempt, and the schedule goes on."""
    await fleet.migrate()
    api = await fleet.serve(version=2, worker="external")
    old = await fleet.work(version=1)
    async with fleet.client(api) as client:
        await client.post("/letters/1")
        await fleet.until(lambda states: states == {"pending": 1})
        [row] = (await attempted(fleet, 1)).deliveries.values()
        assert "no channel 'letter' is registered in this worker" in row.verdict
        await fleet.work(version=2)
        old.signal(signal.SIGTERM)
        await fleet.until_ended()
    assert await fleet.states() == {"delivered": 1}


async def attempted(site: Any, times: int) -> Any:
    """The ledger once each delivery has so many recorded attempts."""
    async with site.within(20):
        while True:
            ledger = await site.ledger()
            if all(row.attempts >= times and row.verdict for row in ledger.deliveries.values()):
                return ledger
            await asyncio.sleep(0.05)
