"""Each button of the sandbox's checkout, and what the service makes of it, on each database."""

from typing import Any

import pytest
from testkit.shop import Shop

from invoices.payments.sandbox import rules
from invoices.payments.sandbox.rules import DECISIONS

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def _until(shop: Shop, invoice: dict[str, Any], status: str) -> dict[str, Any]:
    async def stands() -> dict[str, Any] | None:
        state = await shop.state(invoice)
        return state if state["status"] == status else None

    return dict(await shop.until(stands))


async def test_the_page_has_a_button_for_each(shop: Shop) -> None:
    invoice = await shop.invoice()
    checkout = await shop.begin(invoice)
    page = (await shop.browser.get(checkout)).text
    for decision in DECISIONS.keys() - {"dispute"}:
        assert f'value="{decision}"' in page
    await shop.decide(checkout, "approve")
    assert 'value="dispute"' in (await shop.browser.get(checkout)).text


async def test_what_is_approved_for_later_is_processing_until_it_arrives(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "LATER", 4)  # less, and a busy machine would miss the time between
    invoice = await shop.invoice()
    checkout = await shop.begin(invoice)
    await shop.decide(checkout, "approve_later")
    await _until(shop, invoice, "processing")
    state = await _until(shop, invoice, "paid")
    assert state["facts"] == []


async def test_f69_whoever_pays_twice_is_told_once_and_can_have_the_second_payment_back(shop: Shop) -> None:
    invoice = await shop.invoice()
    await shop.decide(await shop.begin(invoice), "pay_twice")

    async def is_overpaid() -> bool:
        return bool((await shop.state(invoice))["amount_paid"] == "19998.00")

    await shop.until(is_overpaid)
    state = await shop.state(invoice)
    assert (state["status"], state["facts"]) == ("paid", ["overpaid"])
    answer = await shop.browser.post(
        f"{shop.url}/invoices/{invoice['id']}/refund", json={"amount": invoice["total"]}
    )
    state = answer.json()
    assert (state["status"], state["amount_paid"], state["facts"]) == ("paid", "9999.00", ["overpaid"])
    await shop.app.state.ringback.drain()
    told = [body["description"] for body in shop.receiver.bodies if body["id"] == invoice["id"]]
    assert told == ["Payment celebration", "Overpayment refunded"]


async def test_f70_half_of_it_is_not_it(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    invoice = await shop.invoice()
    await shop.decide(await shop.begin(invoice), "wrong_amount")

    async def in_review() -> bool:
        (payment,) = await shop.payments(invoice)
        return bool(payment["state"] == "review")

    await shop.until(in_review)
    assert (await shop.state(invoice))["status"] == "open"
    assert "amount is 499950, not 999900" in caplog.text


@pytest.mark.parametrize(
    ("total", "currency", "units"),
    [
        ("500", "JPY", 500),
        ("5", "ISK", 500),
        ("5000", "UGX", 500_000),
        ("12.00", "MGA", 12),
        ("5.120", "KWD", 5120),
        ("19.90", "EUR", 1990),
        ("100.00", "HUF", 10_000),
    ],
)
async def test_f78_every_currency_is_charged_in_the_providers_own_units(
    shop: Shop, total: str, currency: str, units: int
) -> None:
    invoice = await shop.invoice(total=total, currency=currency)
    checkout = await shop.begin(invoice)
    session = await shop.session(checkout)
    assert (session["amount_total"], session["currency"]) == (units, currency.lower())
    await shop.decide(checkout, "approve")
    await shop.until_paid(invoice)
    refunded = await shop.browser.post(f"{shop.url}/invoices/{invoice['id']}/refund")
    state = refunded.json()
    assert (state["status"], state["amount_refunded"]) == ("refunded", state["total"])


@pytest.mark.parametrize(("total", "currency"), [("5.124", "KWD"), ("12.50", "MGA"), ("0.001", "BHD")])
async def test_what_no_card_can_be_charged_is_refused_when_it_is_sent(
    shop: Shop, total: str, currency: str
) -> None:
    invoice = {"id": "1", "customer": "C", "total": total, "currency": currency}
    answer = await shop.browser.post(f"{shop.url}/invoices/", json=invoice)
    assert answer.status_code == 422
    assert "cards are charged in steps of" in answer.json()["errors"][0]["reason"]
