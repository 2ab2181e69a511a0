"""Each account counts its own invoices, without a gap and without a twin, however many come at once."""

import asyncio
import json
from typing import Any

import pytest
from sqlalchemy import text

from invoices.accounts import service as accounts

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def _key(service: Any, name: str) -> dict[str, str]:
    async with service.app.state.sessions.begin() as session:
        made = await accounts.create(session, service.app.state.ringback, name)
    return {"Authorization": f"Bearer {made.api_key}"}


async def _numbers(service: Any, account: str) -> list[int]:
    query = text("SELECT number FROM invoices WHERE account_id = :account ORDER BY number")
    async with service.app.state.engine.connect() as connection:
        return list((await connection.execute(query, {"account": account})).scalars())


async def test_f79_numbers_have_no_gap_and_no_twin_under_load_and_rollback(service: Any) -> None:
    hers, his = await _key(service, "hers"), await _key(service, "his")

    async def send(headers: dict[str, str], name: str, **changes: Any) -> int:
        invoice = {"id": name, "customer": "C", "total": 1} | changes
        return int((await service.send(invoice, headers=headers)).status_code)

    sent = [send(hers, str(number)) for number in range(25)]
    sent += [send(his, str(number)) for number in range(10)]
    sent += [send(hers, "same") for _ in range(6)]
    # Refused after the invoice was stored, so that its transaction is rolled back.
    sent += [send(hers, "x" * 255, customer_email="a@b.example", total="1.001") for _ in range(3)]
    codes = await asyncio.gather(*sent)
    assert sorted(set(codes)) == [200, 422]
    assert await _numbers(service, "hers") == list(range(1, 27))
    assert await _numbers(service, "his") == list(range(1, 11))


async def test_f79_a_rollback_after_the_number_was_given_leaves_no_gap(service: Any) -> None:
    await service.send({"id": "first", "customer": "C", "total": 1})
    async with service.app.state.engine.begin() as connection:
        await connection.execute(text("ALTER TABLE ringback_deliveries RENAME TO hidden"))
    try:
        assert (await service.send({"id": "lost", "customer": "C", "total": 1})).status_code == 500
    finally:
        async with service.app.state.engine.begin() as connection:
            await connection.execute(text("ALTER TABLE hidden RENAME TO ringback_deliveries"))
    second = await service.send({"id": "second", "customer": "C", "total": 1})
    assert second.json()["number"] == 2


async def test_the_number_is_answered_listed_and_never_changes(service: Any) -> None:
    first = (await service.send({"id": "a", "customer": "C", "total": 1})).json()
    second = (await service.send({"id": "b", "customer": "C", "total": 1})).json()
    assert (first["number"], second["number"]) == (1, 2)
    again = await service.send(json.dumps({"id": "a", "customer": "C", "total": 1}))
    assert again.json()["number"] == 1
    listed = (await service.client.get("/invoices/")).json()["invoices"]
    assert [invoice["number"] for invoice in listed] == [2, 1]
