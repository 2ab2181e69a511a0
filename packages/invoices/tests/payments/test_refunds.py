"""Money that goes back: official SDK, HTTP, signed webhook, on each database."""

import asyncio
import json
import secrets
import sqlite3
from contextlib import closing
from typing import Any

import httpx
import pytest
import stripe
from fastapi import Request, Response
from sqlalchemy import text
from testkit.shop import Shop

from invoices.payments.refunds import FIRST_LOOK

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def _paid(shop: Shop, **changes: Any) -> dict[str, Any]:
    invoice = await shop.invoice(**changes)
    await shop.decide(await shop.begin(invoice), "approve")
    await shop.until_paid(invoice)
    return invoice


async def _refund(
    shop: Shop, invoice: dict[str, Any], amount: Any = None, key: str | None = None
) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    body: dict[str, Any] = {} if amount is None else {"json": {"amount": amount}}
    return await shop.browser.post(f"{shop.url}/invoices/{invoice['id']}/refund", headers=headers, **body)


async def _told(shop: Shop, invoice: dict[str, Any], count: int) -> list[tuple[str, bool]]:
    async def enough() -> bool:
        return len([body for body in shop.receiver.bodies if body["id"] == invoice["id"]]) >= count

    await shop.until(enough)
    bodies = [body for body in shop.receiver.bodies if body["id"] == invoice["id"]]
    return [(body["description"], body["paid"]) for body in bodies]


def _made(shop: Shop, payment: dict[str, Any]) -> list[int]:
    """The amounts of the refunds in the provider's own books."""
    with closing(sqlite3.connect(shop.app.state.settings.data_dir / "sandbox.db")) as connection:
        query = "SELECT object FROM refunds WHERE payment_intent = ?"
        rows = connection.execute(query, (payment["provider_payment"],)).fetchall()
    return sorted(json.loads(row[0])["amount"] for row in rows)


async def test_all_of_it_goes_back_and_is_called_back_once(shop: Shop) -> None:
    invoice = await _paid(shop)
    answer = await _refund(shop, invoice)
    assert answer.status_code == 200, answer.text
    state = answer.json()
    assert (state["status"], state["amount_paid"], state["amount_refunded"]) == (
        "refunded",
        "0.00",
        "9999.00",
    )
    told = await _told(shop, invoice, 2)
    assert told == [("Payment celebration", True), ("Payment refunded", False)]
    page = await shop.browser.get(invoice["pay_url"])
    assert "This payment was refunded" in page.text
    (payment,) = await shop.payments(invoice)
    assert _made(shop, payment) == [999_900]


async def test_parts_of_it_go_back_until_nothing_is_left(shop: Shop) -> None:
    invoice = await _paid(shop)
    first = (await _refund(shop, invoice, "1000.50")).json()
    assert (first["status"], first["amount_paid"]) == ("partially_refunded", "8998.50")
    too_much = await _refund(shop, invoice, "8998.51")
    assert too_much.status_code == 422
    assert "at most 8998.50 USD can still go back" in too_much.text
    rest = (await _refund(shop, invoice)).json()
    assert (rest["status"], rest["amount_refunded"]) == ("refunded", "9999.00")
    told = await _told(shop, invoice, 3)
    assert told[1:] == [("Payment partially refunded", True), ("Payment refunded", False)]
    again = await _refund(shop, invoice)
    assert again.status_code == 409
    assert "an invoice that is refunded cannot be refunded" in again.text


@pytest.mark.parametrize("status", ["open", "void"])
async def test_what_is_not_paid_cannot_go_back(shop: Shop, status: str) -> None:
    invoice = await shop.invoice()
    if status == "void":
        await shop.browser.post(f"{shop.url}/invoices/{invoice['id']}/void")
    answer = await _refund(shop, invoice)
    assert answer.status_code == 409
    assert f"an invoice that is {status} cannot be refunded" in answer.json()["detail"]


@pytest.mark.parametrize("amount", ["0", "-1", "1.001", 1e400, "10000"])
async def test_amounts_that_cannot_go_back_are_refused(shop: Shop, amount: Any) -> None:
    invoice = await _paid(shop)
    body = json.dumps({"amount": amount})
    headers = {"Content-Type": "application/json"}
    url = f"{shop.url}/invoices/{invoice['id']}/refund"
    answer = await shop.browser.post(url, content=body, headers=headers)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "amount"


async def test_i21_the_same_key_gives_nothing_back_twice(shop: Shop) -> None:
    invoice = await _paid(shop)
    key = secrets.token_hex(8)
    first = await _refund(shop, invoice, "5", key)
    again = await _refund(shop, invoice, "5", key)
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.content == first.content
    other = await _refund(shop, invoice, "6", key)
    assert (other.status_code, other.json()["errors"][0]["field"]) == (422, "Idempotency-Key")
    (payment,) = await shop.payments(invoice)
    assert _made(shop, payment) == [500]


async def test_twins_at_once_give_back_once_and_no_more_than_was_paid(shop: Shop) -> None:
    invoice = await _paid(shop)
    answers = await asyncio.gather(*(_refund(shop, invoice) for _ in range(6)))
    assert {answer.status_code for answer in answers} <= {200, 409}
    (payment,) = await shop.payments(invoice)
    assert _made(shop, payment) == [999_900]
    assert (await shop.state(invoice))["amount_refunded"] == "9999.00"


@pytest.mark.parametrize("reached", [False, True], ids=["never asked", "answer lost"])
async def test_a_provider_that_is_down_is_asked_again_and_gives_back_once(
    shop: Shop, reached: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stripe.HTTPClient, "INITIAL_DELAY", 0.01)
    invoice = await _paid(shop)

    async def nowhere(_message: Any) -> None:
        """Where a lost answer goes."""

    async def down(request: Request) -> Response | None:
        if request.url.path != "/sandbox/v1/refunds":
            return None
        if reached:
            await shop.app(request.scope, request.receive, nowhere)
        return Response(status_code=503)

    async def deaf(request: Request) -> Response | None:
        news = request.url.path == "/payments/stripe"
        return Response(status_code=500) if news else await down(request)

    shop.front.trouble = deaf
    answer = (await _refund(shop, invoice)).json()
    assert (answer["status"], answer["amount_refunded"]) == ("paid", "0.00")
    shop.front.trouble = None
    await shop.pass_time(FIRST_LOOK)

    async def is_refunded() -> bool:
        return bool((await shop.state(invoice))["status"] == "refunded")

    await shop.until(is_refunded)
    (payment,) = await shop.payments(invoice)
    assert _made(shop, payment) == [999_900]


async def test_a_refund_made_at_the_provider_is_known_here(shop: Shop) -> None:
    invoice = await _paid(shop)
    (payment,) = await shop.payments(invoice)
    refund = _refund_object(payment, amount=400)
    assert (await shop.tell("refund.created", refund)).status_code == 200
    state = await shop.state(invoice)
    assert (state["status"], state["amount_refunded"]) == ("partially_refunded", "4.00")


async def test_a_refund_that_is_known_before_its_payment_waits_for_it(shop: Shop) -> None:
    invoice = await shop.invoice()
    session = await shop.session(await shop.begin(invoice))
    intent = f"pi_{invoice['id']}"
    refund = _refund_object({"provider_payment": intent}, amount=999_900)
    await shop.tell("refund.created", refund)
    assert (await shop.state(invoice))["status"] == "open"
    paid = session | {"status": "complete", "payment_status": "paid", "payment_intent": intent, "url": None}
    await shop.tell("checkout.session.completed", paid)
    assert (await shop.state(invoice))["status"] == "refunded"
    assert await _told(shop, invoice, 1) == [("Payment refunded", False)]


async def test_a_refund_that_fails_after_all_makes_the_invoice_paid_again(shop: Shop) -> None:
    invoice = await _paid(shop)
    (payment,) = await shop.payments(invoice)
    refund = _refund_object(payment, amount=999_900)
    await shop.tell("refund.updated", refund)
    await shop.tell("refund.failed", refund | {"status": "failed", "failure_reason": "lost_or_stolen_card"})
    await shop.tell("refund.updated", refund)
    assert (await shop.state(invoice))["status"] == "paid"
    told = await _told(shop, invoice, 3)
    assert told[1:] == [("Payment refunded", False), ("Refund failed", True)]


async def test_a_provider_that_refuses_is_quoted_and_nothing_is_gone(shop: Shop) -> None:
    invoice = await _paid(shop)
    (payment,) = await shop.payments(invoice)
    async with shop.app.state.sessions.begin() as session:
        changed = f"UPDATE payments SET provider_payment = 'pi_nowhere' WHERE pk = {payment['pk']}"
        await session.execute(text(changed))
    answer = await _refund(shop, invoice)
    assert answer.status_code == 409
    assert "the payment provider refuses" in answer.json()["detail"]
    assert (await shop.state(invoice))["status"] == "paid"
    assert (await _told(shop, invoice, 2))[1] == ("Refund failed", True)


async def test_a_dispute_is_a_fact_and_what_is_lost_in_it_is_gone(shop: Shop) -> None:
    invoice = await shop.invoice()
    checkout = await shop.begin(invoice)
    await shop.decide(checkout, "approve")
    await shop.until_paid(invoice)
    await shop.decide(checkout, "dispute")

    async def is_disputed() -> bool:
        return bool((await shop.state(invoice))["facts"] == ["disputed"])

    await shop.until(is_disputed)
    assert (await shop.state(invoice))["status"] == "paid"
    (payment,) = await shop.payments(invoice)
    (row,) = await shop.rows(
        "SELECT provider_refund FROM refunds WHERE payment_pk = :payment", payment=payment["pk"]
    )
    lost = {"id": row["provider_refund"], "object": "dispute", "amount": 999_900, "currency": "usd"}
    lost |= {"payment_intent": payment["provider_payment"], "status": "lost"}
    await shop.tell("charge.dispute.closed", lost)
    state = await shop.state(invoice)
    assert (state["status"], state["facts"], state["amount_paid"]) == ("refunded", ["disputed"], "0.00")
    told = await _told(shop, invoice, 3)
    assert told[1:] == [("Payment disputed", True), ("Payment taken back after a dispute", False)]


async def test_no_transaction_is_open_while_the_provider_gives_back(shop: Shop) -> None:
    invoice = await _paid(shop)
    wrote = []

    async def write(request: Request) -> Response | None:
        if request.url.path.startswith("/sandbox/v1/refunds"):
            async with asyncio.timeout(2), shop.app.state.sessions.begin() as session:
                await session.execute(text("UPDATE invoices SET title = 'touched'"))
                await session.execute(text("UPDATE refunds SET detail = 'touched'"))
            wrote.append(request.method)
        return None

    shop.front.trouble = write
    assert (await _refund(shop, invoice)).json()["status"] == "refunded"
    assert wrote == ["POST"]


def _refund_object(payment: dict[str, Any], *, amount: int) -> dict[str, Any]:
    """A refund as Stripe shows it that somebody has made at the provider itself."""
    return {
        "id": f"re_{secrets.token_hex(8)}",
        "object": "refund",
        "amount": amount,
        "created": 1_800_000_000,
        "currency": "usd",
        "metadata": {},
        "payment_intent": payment["provider_payment"],
        "status": "succeeded",
    }
