"""Paid: the state and the owed callback are one transaction, made once."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from invoices.invoices import service as invoices
from invoices.invoices.standing import Collected, lock, stand

CALLBACK = "https://www.external.org/events"
CALLBACKS = (
    "SELECT url, body, state FROM ringback_deliveries JOIN ringback_messages USING (id) "
    "WHERE channel <> 'mail'"
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def owed(service: Any) -> list[Any]:
    async with service.app.state.engine.connect() as connection:
        return [tuple(row) for row in (await connection.execute(text(CALLBACKS))).all()]


async def mark_paid(service: Any, session: Any) -> Any:
    invoice = await invoices.get(session, "default", "2expen51ve")
    await lock(session, invoice)
    money = Collected(collected=invoice.total_minor, since=datetime.now(UTC))
    await stand(session, service.app.state.ringback, invoice, money)
    return invoice


async def rename(service: Any, table: str, name: str) -> None:
    async with service.app.state.engine.begin() as connection:
        await connection.execute(text(f"ALTER TABLE {table} RENAME TO {name}"))


async def test_payment_owes_exactly_the_declared_callback(service: Any) -> None:
    await service.send(callback_url=CALLBACK)
    async with service.app.state.sessions.begin() as session:
        await mark_paid(service, session)
    ((url, body, state),) = await owed(service)
    assert url == f"{CALLBACK}/invoices/2expen51ve"
    assert bytes(body) == b'{"description":"Payment celebration","paid":true}'
    assert state == "pending"
    read = (await service.client.get("/invoices/2expen51ve")).json()
    assert read["status"] == "paid"
    assert [delivery["state"] for delivery in read["deliveries"]] == ["pending"]
    assert read["deliveries"][0]["callback"] == "invoice_notification"


async def test_an_invoice_named_like_anothers_key_shows_only_its_own_deliveries(service: Any) -> None:
    await service.send(callback_url=CALLBACK)
    async with service.app.state.sessions.begin() as session:
        invoice = await mark_paid(service, session)
    name = f"invoice:{invoice.pk}:paid"
    await service.send({"id": name, "customer": "C", "total": 1}, callback_url=CALLBACK)
    assert (await service.client.get(f"/invoices/{name}")).json()["deliveries"] == []


async def test_a_rollback_takes_state_and_callback_with_it(service: Any) -> None:
    await service.send(callback_url=CALLBACK)
    async with service.app.state.sessions() as session:
        await mark_paid(service, session)
        await session.rollback()
    assert await owed(service) == []
    assert (await service.client.get("/invoices/2expen51ve")).json()["status"] == "open"


async def test_paid_twice_is_called_back_once(service: Any) -> None:
    await service.send(callback_url=CALLBACK)
    for _ in range(2):
        async with service.app.state.sessions.begin() as session:
            await mark_paid(service, session)
    assert len(await owed(service)) == 1


async def test_without_a_callback_url_payment_owes_nothing(service: Any) -> None:
    await service.send()
    async with service.app.state.sessions.begin() as session:
        invoice = await mark_paid(service, session)
    assert invoice.status == "paid"
    assert await owed(service) == []


async def test_a_paid_invoice_cannot_be_voided(service: Any) -> None:
    await service.send()
    async with service.app.state.sessions.begin() as session:
        await mark_paid(service, session)
    refusal = await service.client.post("/invoices/2expen51ve/void")
    assert refusal.status_code == 409
    assert "an invoice that is paid cannot be voided" in refusal.json()["detail"]


@pytest.mark.parametrize("table", ["ringback_targets", "ringback_messages", "ringback_deliveries"])
async def test_what_cannot_be_owed_is_not_received_either(service: Any, table: str) -> None:
    await rename(service, table, "hidden")
    try:
        answer = await service.send(callback_url=CALLBACK)
    finally:
        await rename(service, "hidden", table)
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "hidden" not in answer.text
    assert table not in answer.text
    assert await service.count("invoices") == 0
