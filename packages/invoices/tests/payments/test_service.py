"""From «go and pay» to the callback: official SDK, HTTP, signed webhook, on each database."""

import asyncio
import json
import sqlite3
from contextlib import closing
from functools import partial
from typing import Any

import pytest
import stripe
from fastapi import Request, Response
from sqlalchemy import text
from testkit.shop import Shop

from invoices.payments.lifecycle import Report
from invoices.payments.provider import CheckoutRequest, Provider

pytestmark = pytest.mark.asyncio(loop_scope="module")

CELEBRATION = {"description": "Payment celebration", "paid": True}


async def _notifications(shop: Shop, invoice: dict[str, Any]) -> int:
    return len((await shop.state(invoice))["deliveries"])


async def test_a_payment_is_collected_and_called_back_once(shop: Shop) -> None:
    invoice = await shop.invoice(id="2expen51ve")
    checkout = await shop.begin(invoice)
    answer = await shop.decide(checkout, "approve")
    assert answer.headers["location"] == f"{invoice['pay_url']}?returned=1"
    page = await shop.browser.get(answer.headers["location"])
    assert "Payment received" in page.text
    assert await shop.told(invoice) == [{"id": "2expen51ve"} | CELEBRATION]
    (payment,) = await shop.payments(invoice)
    assert (payment["state"], payment["attempt"], payment["flag"]) == ("paid", 1, None)
    assert payment["amount_minor"] == 999_900
    assert await _notifications(shop, invoice) == 1


async def test_the_webhook_alone_is_enough(shop: Shop) -> None:
    invoice = await shop.invoice()
    await shop.decide(await shop.begin(invoice), "approve")
    await shop.until_paid(invoice)
    (event,) = await shop.events(invoice)
    assert (event["type"], event["outcome"]) == ("checkout.session.completed", "applied")


async def test_the_way_back_is_enough_when_no_webhook_comes(shop: Shop) -> None:
    async def deaf(request: Request) -> Response | None:
        return Response(status_code=500) if request.url.path == "/payments/stripe" else None

    shop.front.trouble = deaf
    invoice = await shop.invoice()
    answer = await shop.decide(await shop.begin(invoice), "approve")
    assert (await shop.state(invoice))["status"] == "open"
    page = await shop.browser.get(answer.headers["location"])
    assert "Payment received" in page.text
    assert (await shop.state(invoice))["status"] == "paid"


async def test_coming_back_without_paying_marks_nothing(shop: Shop) -> None:
    invoice = await shop.invoice()
    await shop.begin(invoice)
    page = await shop.browser.get(f"{invoice['pay_url']}?returned=1")
    assert "No payment was made yet." in page.text
    assert (await shop.state(invoice))["status"] == "open"


async def test_a_decline_leaves_the_invoice_open_for_a_second_try(shop: Shop) -> None:
    invoice = await shop.invoice()
    checkout = await shop.begin(invoice)
    await shop.decide(checkout, "decline")

    async def says_so() -> bool:
        return "The last payment was declined." in (await shop.browser.get(invoice["pay_url"])).text

    await shop.until(says_so)
    assert (await shop.state(invoice))["status"] == "open"
    assert await shop.begin(invoice) == checkout
    await shop.decide(checkout, "approve")
    await shop.until_paid(invoice)

    async def both() -> bool:
        return len(await shop.told(invoice)) == 2

    await shop.until(both)
    failure = {"id": invoice["id"], "description": "Payment failed", "paid": False}
    assert await shop.told(invoice) == [failure, {"id": invoice["id"]} | CELEBRATION]


async def test_f65_ten_equal_events_at_once_change_one_thing(shop: Shop) -> None:
    invoice = await shop.invoice()
    paid = await _paid_session(shop, invoice)
    same = f"evt_{invoice['id']}"
    told = [shop.tell("checkout.session.completed", paid, id=same) for _ in range(10)]
    assert {answer.status_code for answer in await asyncio.gather(*told)} == {200}
    (event,) = await shop.events(invoice)
    assert (event["id"], event["outcome"]) == (same, "applied")
    assert (await shop.state(invoice))["status"] == "paid"
    assert await _notifications(shop, invoice) == 1


async def test_f66_different_events_that_say_paid_pay_once(shop: Shop) -> None:
    invoice = await shop.invoice()
    paid = await _paid_session(shop, invoice)
    kinds = ["checkout.session.completed", "checkout.session.async_payment_succeeded"] * 3
    answers = await asyncio.gather(*(shop.tell(kind, paid) for kind in kinds))
    assert {answer.status_code for answer in answers} == {200}
    outcomes = sorted(event["outcome"] for event in await shop.events(invoice))
    assert outcomes == ["applied", *["no_change"] * 5]
    assert await _notifications(shop, invoice) == 1


async def test_late_and_mixed_up_events_never_unpay(shop: Shop) -> None:
    invoice = await shop.invoice()
    paid = await _paid_session(shop, invoice)
    waiting = paid | {"payment_status": "unpaid"}
    events = [
        ("checkout.session.completed", waiting),
        ("checkout.session.async_payment_succeeded", paid),
        ("checkout.session.async_payment_failed", waiting),
        ("checkout.session.expired", waiting | {"status": "expired"}),
    ]
    for kind, subject in events:
        assert (await shop.tell(kind, subject)).status_code == 200
    assert (await shop.state(invoice))["status"] == "paid"
    assert await _notifications(shop, invoice) == 1


async def test_a_payment_that_takes_days_is_shown_as_such_and_may_fail(shop: Shop) -> None:
    invoice = await shop.invoice()
    waiting = await _paid_session(shop, invoice) | {"payment_status": "unpaid"}
    await shop.tell("checkout.session.completed", waiting)
    assert (await shop.state(invoice))["status"] == "processing"
    assert (await shop.browser.post(invoice["pay_url"])).headers["location"].startswith("/pay/")
    await shop.tell("checkout.session.async_payment_failed", waiting)
    assert (await shop.state(invoice))["status"] == "open"
    second = await shop.begin(invoice)
    assert not second.endswith(waiting["id"])
    await shop.decide(second, "approve")
    await shop.until_paid(invoice)


@pytest.mark.parametrize(
    "change",
    [
        {"amount_total": 1},
        {"amount_total": None},
        {"currency": "eur"},
        {"livemode": True},
        {"metadata": {"invoice_id": "other"}},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_f70_what_does_not_match_is_flagged_and_not_paid(
    shop: Shop, change: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    invoice = await shop.invoice()
    paid = await _paid_session(shop, invoice)
    if "metadata" in change:
        change = {"metadata": paid["metadata"] | change["metadata"]}
    answer = await shop.tell("checkout.session.completed", paid | change)
    assert answer.status_code == 200
    (payment,) = await shop.payments(invoice)
    (event,) = await shop.events(invoice)
    assert (payment["state"], payment["flag"], event["outcome"]) == ("review", "mismatch", "mismatch")
    assert "does not match" in caplog.text
    assert (await shop.state(invoice))["status"] == "open"
    assert await _notifications(shop, invoice) == 0


async def test_f71_events_about_nothing_of_ours_are_acknowledged(shop: Shop) -> None:
    unknown = {**_SESSION, "metadata": {"payment": "pay_of_somebody", "invoice_id": "x"}}
    customer = {"object": "customer", "id": "cus_1"}
    expected = {
        "evt_no_reference": ("checkout.session.completed", _SESSION, "unrelated"),
        "evt_unknown": ("checkout.session.completed", unknown, "unknown_payment"),
        "evt_other_thing": ("customer.created", customer, "unrelated"),
    }
    for event_id, (kind, subject, outcome) in expected.items():
        assert (await shop.tell(kind, subject, id=event_id)).status_code == 200
        (row,) = await shop.rows(f"SELECT outcome FROM payment_events WHERE id = '{event_id}'")
        assert row["outcome"] == outcome


async def test_a_void_invoice_cannot_be_paid(shop: Shop) -> None:
    invoice = await shop.invoice()
    await shop.browser.post(f"{shop.url}/invoices/{invoice['id']}/void")
    answer = await shop.browser.post(invoice["pay_url"])
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        invoice["pay_url"].removeprefix(shop.url),
    )
    assert "This invoice was withdrawn" in (await shop.browser.get(invoice["pay_url"])).text
    assert await shop.payments(invoice) == []


async def test_f68_void_and_money_at_once_end_in_one_truth(shop: Shop) -> None:
    for _ in range(8):
        invoice = await shop.invoice()
        paid = await _paid_session(shop, invoice)
        voided, told = await asyncio.gather(
            shop.browser.post(f"{shop.url}/invoices/{invoice['id']}/void"),
            shop.tell("checkout.session.completed", paid),
        )
        assert (told.status_code, voided.status_code in (200, 409)) == (200, True)
        (payment,) = await shop.rows(f"SELECT flag FROM payments WHERE session_id = '{paid['id']}'")
        assert payment["flag"] == ("paid_after_void" if voided.status_code == 200 else None)
        assert (await shop.state(invoice))["status"] == "paid"
        assert await _notifications(shop, invoice) == 1


async def test_a_second_payment_is_recorded_as_too_much(shop: Shop) -> None:
    invoice = await shop.invoice()
    first = await shop.begin(invoice)
    await _expire_in_our_books(shop, invoice)
    second = await shop.begin(invoice)
    assert first != second

    async def paid(count: int) -> bool:
        return [payment["state"] for payment in await shop.payments(invoice)].count("paid") == count

    for count, checkout in enumerate((second, first), 1):
        await shop.decide(checkout, "approve")
        await shop.until(partial(paid, count))
    assert [payment["flag"] for payment in await shop.payments(invoice)] == ["overpaid", None]
    assert await _notifications(shop, invoice) == 1


async def test_f69_money_through_a_session_that_we_did_not_ask_for_counts_as_a_payment_of_its_own(
    shop: Shop,
) -> None:
    for order in (0, 1), (1, 0):
        invoice = await shop.invoice()
        paid = await _paid_session(shop, invoice)
        name = f"cs_test_{invoice['id']}"
        subjects = [paid, paid | {"id": name, "payment_intent": f"pi_{invoice['id']}"}]
        for place in order:
            assert (await shop.tell("checkout.session.completed", subjects[place])).status_code == 200
        payments = await shop.payments(invoice)
        assert [payment["state"] for payment in payments] == ["paid", "paid"]
        state = await shop.state(invoice)
        assert (state["status"], state["facts"], state["amount_paid"]) == ("paid", ["overpaid"], "19998.00")
        assert await _notifications(shop, invoice) == 1


async def test_money_through_an_expired_session_still_counts(shop: Shop) -> None:
    invoice = await shop.invoice()
    first = await shop.begin(invoice)
    await _expire_in_our_books(shop, invoice)
    await shop.begin(invoice)
    await shop.decide(first, "approve")
    await shop.until_paid(invoice)
    late, unused = await shop.payments(invoice)
    assert (late["state"], late["flag"], unused["state"]) == ("paid", "paid_late", "open")
    assert (await shop.browser.post(invoice["pay_url"])).headers["location"].startswith("/pay/")


async def test_a_key_that_was_used_for_another_request_is_given_up(shop: Shop, monkeypatch: Any) -> None:
    monkeypatch.setattr(stripe.HTTPClient, "INITIAL_DELAY", 0.01)

    async def lose_the_answer(request: Request) -> Response | None:
        if not request.url.path.startswith("/sandbox/v1/"):
            return None
        await shop.app(request.scope, request.receive, _nowhere)
        return Response(status_code=503)

    invoice = await shop.invoice(title="Before")
    shop.front.trouble = lose_the_answer
    assert (await shop.browser.post(invoice["pay_url"])).status_code == 503
    shop.front.trouble = None
    async with shop.app.state.sessions.begin() as session:
        await session.execute(text("UPDATE invoices SET title = 'After'"))
    await shop.decide(await shop.begin(invoice), "approve")
    await shop.until_paid(invoice)
    assert [payment["state"] for payment in await shop.payments(invoice)] == ["failed", "paid"]


async def test_f72_an_event_may_come_before_the_session_is_stored(shop: Shop) -> None:
    invoice = await shop.invoice()

    class Hasty(Provider):
        async def create_checkout(self, request: CheckoutRequest, *, idempotency_key: str) -> Report:
            report = await super().create_checkout(request, idempotency_key=idempotency_key)
            assert report.url is not None
            await shop.decide(report.url, "approve")
            await shop.until_paid(invoice)
            return report

    provider = shop.app.state.provider
    hasty = Hasty.from_settings(shop.app.state.settings)
    shop.app.state.provider = hasty
    await shop.begin(invoice)
    (payment,) = await shop.payments(invoice)
    assert payment["state"] == "paid"
    assert payment["session_id"].startswith("cs_test_")
    assert await _notifications(shop, invoice) == 1
    await hasty.close()
    shop.app.state.provider = provider


@pytest.mark.parametrize("answered", [False, True], ids=["never asked", "answer lost"])
async def test_f73_a_provider_that_is_down_costs_no_second_session(
    shop: Shop, answered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stripe.HTTPClient, "INITIAL_DELAY", 0.01)

    async def down(request: Request) -> Response | None:
        if not request.url.path.startswith("/sandbox/v1/"):
            return None
        if answered:
            await shop.app(request.scope, request.receive, _nowhere)
        return Response(status_code=503)

    invoice = await shop.invoice()
    shop.front.trouble = down
    page = await shop.browser.post(invoice["pay_url"])
    assert page.status_code == 503
    assert "Please try again in a moment." in page.text
    shop.front.trouble = None
    checkout = await shop.begin(invoice)
    assert await shop.begin(invoice) == checkout
    assert len(await shop.payments(invoice)) == 1
    assert _sessions_made(shop, invoice) == 1


async def test_ten_customers_at_once_get_one_session(shop: Shop) -> None:
    invoice = await shop.invoice()
    checkouts = await asyncio.gather(*(shop.begin(invoice) for _ in range(10)))
    assert len(set(checkouts)) == 1
    assert _sessions_made(shop, invoice) == 1


async def test_no_transaction_is_open_while_the_provider_is_asked(shop: Shop) -> None:
    invoice = await shop.invoice()
    wrote = []

    async def write(request: Request) -> Response | None:
        if request.url.path.startswith("/sandbox/v1/"):
            async with asyncio.timeout(2), shop.app.state.sessions.begin() as session:
                await session.execute(text("UPDATE invoices SET title = 'touched'"))
                await session.execute(text("UPDATE payments SET flag_detail = 'touched'"))
            wrote.append(request.method)
        return None

    shop.front.trouble = write
    await shop.decide(await shop.begin(invoice), "approve")
    await shop.browser.get(f"{invoice['pay_url']}?returned=1")
    await shop.until_paid(invoice)
    assert wrote[0] == "POST"


async def test_an_expired_session_is_replaced(shop: Shop) -> None:
    invoice = await shop.invoice()
    first = await shop.begin(invoice)
    await _expire_in_our_books(shop, invoice)
    second = await shop.begin(invoice)
    assert first != second
    assert [payment["state"] for payment in await shop.payments(invoice)] == ["expired", "open"]


async def test_an_amount_beyond_the_providers_limit_says_so(shop: Shop) -> None:
    invoice = await shop.invoice(total="1000000.00")
    page = await shop.browser.post(invoice["pay_url"])
    assert page.status_code == 502
    assert "This amount is too large for a payment by card." in page.text
    (payment,) = await shop.payments(invoice)
    assert (payment["state"], payment["flag"]) == ("failed", "refused")


async def _nowhere(message: Any) -> None:
    """Where a lost answer goes."""


def _sessions_made(shop: Shop, invoice: dict[str, Any]) -> int:
    with closing(sqlite3.connect(shop.app.state.settings.data_dir / "sandbox.db")) as connection:
        query = "SELECT count(*) FROM sessions WHERE object ->> 'client_reference_id' = ?"
        (count,) = connection.execute(query, (invoice["id"],)).fetchone()
    return int(count)


async def _expire_in_our_books(shop: Shop, invoice: dict[str, Any]) -> None:
    (payment,) = await shop.payments(invoice)
    async with shop.app.state.sessions.begin() as session:
        past = f"UPDATE payments SET expires_at = created_at WHERE pk = {payment['pk']}"
        await session.execute(text(past))


async def _paid_session(shop: Shop, invoice: dict[str, Any]) -> dict[str, Any]:
    """A session as Stripe shows it once it is paid; the sandbox itself says nothing."""
    session = await shop.session(await shop.begin(invoice))
    return session | {"status": "complete", "payment_status": "paid", "payment_intent": "pi_1", "url": None}


_SESSION: dict[str, Any] = json.loads(
    """{"id": "cs_test_1", "object": "checkout.session", "amount_total": 100, "created": 1, "currency": "usd",
    "expires_at": 2, "livemode": false, "metadata": {}, "payment_intent": null, "payment_status": "paid",
    "status": "complete", "url": null}"""
)
