"""What ended long ago is deleted while the rest goes on (f80)."""

from typing import Any

import pytest
from sqlalchemy import text
from testkit.shop import Shop, open_shop

STATES = "SELECT state, count(*) AS count FROM ringback_deliveries GROUP BY state ORDER BY state"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_f80_pruning_deletes_nothing_that_is_owed_under_way_or_dated(
    database_url: str, tmp_path: Any
) -> None:
    async with open_shop(database_url, tmp_path) as shop:
        paid = await shop.invoice(due_on="2099-01-01", customer_email="a@b.example")
        await shop.decide(await shop.begin(paid), "approve")
        await shop.until_paid(paid)
        await shop.told(paid)
        waiting = await shop.invoice(due_on="2099-01-01", customer_email="a@b.example")
        await shop.app.state.ringback.drain()
        await _age(shop, days=31)
        before = {row["state"]: row["count"] for row in await shop.rows(STATES)}
        assert before["pending"] == 5
        await shop.app.state.ringback.drain()

        async def pruned() -> bool:
            return {row["state"] for row in await shop.rows(STATES)} == {"pending"}

        await shop.until(pruned)
        after = {row["state"]: row["count"] for row in await shop.rows(STATES)}
        assert after == {"pending": 5}
        assert (await shop.state(paid))["status"] == "paid"
        events = await shop.browser.get(f"{shop.url}/invoices/{paid['id']}/events")
        assert {event["kind"] for event in events.json()["events"]} == {"received", "sent", "paid"}
        assert (await shop.state(waiting))["status"] == "open"


async def _age(shop: Shop, *, days: int) -> None:
    async with shop.app.state.sessions.begin() as session:
        ended = "UPDATE ringback_deliveries SET finished_at = finished_at - :age"
        await session.execute(text(ended), {"age": days * 86_400})
