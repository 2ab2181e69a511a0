"""What nobody has told is asked for: reminders of the outbox, the official SDK, on each database."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
import stripe
from fastapi import Request, Response
from testkit.shop import Shop

from invoices.payments.reconciliation import Reminded
from invoices.payments.refunds import Refunds
from invoices.payments.service import Cashier
from ringback import Delivery, State

pytestmark = pytest.mark.asyncio(loop_scope="module")

LOOK = timedelta(minutes=10)


async def _deaf(request: Request) -> Response | None:
    """No news of the provider comes through."""
    return Response(status_code=500) if request.url.path == "/payments/stripe" else None


async def _looks(shop: Shop, invoice: dict[str, Any]) -> list[dict[str, Any]]:
    (payment, *_) = await shop.payments(invoice)
    return await shop.rows(
        "SELECT state, verdict, due_at - created_at AS delay "
        "FROM ringback_deliveries JOIN ringback_messages USING (id) "
        "WHERE idempotency_key LIKE :key ORDER BY id",
        key=f"payment:{payment['reference']}:%",
    )


async def test_f74_a_payment_of_which_nobody_tells_is_asked_for(shop: Shop) -> None:
    shop.front.trouble = _deaf
    invoice = await shop.invoice()
    await shop.decide(await shop.begin(invoice), "never_tell")
    assert (await shop.state(invoice))["status"] == "open"
    assert [look["state"] for look in await _looks(shop, invoice)] == ["pending"]
    await shop.pass_time(LOOK)
    assert (await shop.state(invoice))["status"] == "paid"
    assert (await shop.told(invoice))[0]["description"] == "Payment celebration"
    assert [look["state"] for look in await _looks(shop, invoice)] == ["delivered"]


async def test_what_has_no_end_yet_is_looked_at_again_ever_later(shop: Shop) -> None:
    invoice = await shop.invoice()
    await shop.begin(invoice)
    for _ in range(3):
        await shop.pass_time(timedelta(hours=2))
    looks = await _looks(shop, invoice)
    assert [look["state"] for look in looks] == ["delivered", "delivered", "delivered", "pending"]
    assert looks[0]["verdict"] == "the payment is open; asked again in 0:20:00"
    assert looks[3]["delay"] == pytest.approx(4800, abs=60)


async def test_a_promise_that_is_kept_in_silence_is_found(shop: Shop) -> None:
    shop.front.trouble = _deaf
    invoice = await shop.invoice()
    answer = await shop.decide(await shop.begin(invoice), "approve_later")
    await shop.browser.get(answer.headers["location"])
    assert (await shop.state(invoice))["status"] == "processing"
    (payment,) = await shop.payments(invoice)
    ledger = shop.app.state.sandbox.ledger
    await ledger.change(
        payment["session_id"],
        lambda session: (session | {"sandbox": session["sandbox"] | {"due": 1}}, []),
    )
    await shop.pass_time(LOOK)
    assert (await shop.state(invoice))["status"] == "paid"


async def test_a_provider_that_is_down_is_asked_again(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripe.HTTPClient, "INITIAL_DELAY", 0.01)
    invoice = await shop.invoice()
    await shop.decide(await shop.begin(invoice), "never_tell")

    async def down(request: Request) -> Response | None:
        return Response(status_code=503) if request.url.path.startswith("/sandbox/v1/") else None

    shop.front.trouble = down
    await shop.pass_time(LOOK)
    (look,) = await _looks(shop, invoice)
    assert (look["state"], (await shop.state(invoice))["status"]) == ("pending", "open")
    shop.front.trouble = None
    await shop.pass_time(timedelta(hours=1))
    assert (await shop.state(invoice))["status"] == "paid"


async def test_two_workers_that_do_the_same_reminder_collect_once(shop: Shop) -> None:
    invoice = await shop.invoice()
    await shop.decide(await shop.begin(invoice), "never_tell")
    (payment,) = await shop.payments(invoice)
    state = shop.app.state
    handler = Reminded(Cashier.of(state), Refunds.of(state))
    body = f'{{"payment": "{payment["reference"]}", "look": 1}}'.encode()
    delivery = Delivery("msg_1", "payments", "default", "payment", body, 1)
    outcomes = await asyncio.gather(*(handler(delivery) for _ in range(4)))
    assert {outcome.state for outcome in outcomes} == {State.DELIVERED}
    assert (await shop.state(invoice))["status"] == "paid"
    assert len((await shop.state(invoice))["deliveries"]) == 1


@pytest.mark.parametrize("body", [b"{", b"{}", b'{"payment": 1}', b'{"surprise": 1}', b'{"payment": "gone"}'])
async def test_a_reminder_that_says_nothing_ends(shop: Shop, body: bytes) -> None:
    handler = Reminded(Cashier.of(shop.app.state), Refunds.of(shop.app.state))
    outcome = await handler(Delivery("msg_1", "payments", "default", "payment", body, 1))
    assert outcome.state in (State.DEAD, State.DELIVERED)


async def test_voiding_closes_the_checkout_so_that_nobody_pays_there(shop: Shop) -> None:
    invoice = await shop.invoice()
    checkout = await shop.begin(invoice)
    assert (await shop.browser.post(f"{shop.url}/invoices/{invoice['id']}/void")).status_code == 200

    async def is_closed() -> bool:
        return bool((await shop.session(checkout))["status"] == "expired")

    await shop.until(is_closed)
    await shop.decide(checkout, "approve")
    assert (await shop.state(invoice))["status"] == "void"


async def test_f68_money_that_was_faster_than_the_void_is_told_truly(shop: Shop) -> None:
    shop.front.trouble = _deaf
    invoice = await shop.invoice()
    await shop.decide(await shop.begin(invoice), "approve")
    voided = (await shop.browser.post(f"{shop.url}/invoices/{invoice['id']}/void")).json()
    assert voided["status"] == "void"
    await shop.app.state.ringback.drain()
    state = await shop.state(invoice)
    assert (state["status"], state["facts"]) == ("paid", ["paid_after_void"])
    assert (await shop.told(invoice))[0] == {
        "id": invoice["id"],
        "description": "Payment celebration",
        "paid": True,
    }
    shop.front.trouble = None
    back = await shop.browser.post(f"{shop.url}/invoices/{invoice['id']}/refund")
    assert (back.json()["status"], back.json()["facts"]) == ("refunded", ["paid_after_void"])
