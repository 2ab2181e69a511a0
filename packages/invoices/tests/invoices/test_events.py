"""What happens to an invoice: listed for whoever asks, called back about by the account's own choice."""

from typing import Any

import pytest
import pytest_asyncio
from testkit.shop import Shop

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def choose(shop: Shop) -> Any:
    """Lets a test choose, and takes it back."""

    async def chosen(*kinds: str) -> None:
        answer = await shop.browser.put(f"{shop.url}/settings", json={"callbacks": kinds})
        assert answer.status_code == 200, answer.text

    yield chosen
    await chosen()


async def _events(shop: Shop, invoice: dict[str, Any], **params: Any) -> dict[str, Any]:
    answer = await shop.browser.get(f"{shop.url}/invoices/{invoice['id']}/events", params=params)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def _kinds(page: dict[str, Any]) -> list[str]:
    return [event["kind"] for event in page["events"]]


async def _told(shop: Shop, invoice: dict[str, Any], count: int) -> list[tuple[str, bool]]:
    await shop.app.state.ringback.drain()
    bodies = [body for body in shop.receiver.bodies if body["id"] == invoice["id"]]
    assert len(bodies) == count, bodies
    return [(body["description"], body["paid"]) for body in bodies]


async def test_a_cursor_reads_on_where_it_was_also_when_nothing_has_happened(shop: Shop) -> None:
    invoice = await shop.invoice()
    first = await _events(shop, invoice)
    assert _kinds(first) == ["received"]
    assert first["events"][0]["description"] == "Invoice received"
    assert first["events"][0]["paid"] is False
    again = await _events(shop, invoice, cursor=first["next_cursor"])
    assert (again["events"], again["next_cursor"]) == ([], first["next_cursor"])
    await shop.decide(await shop.begin(invoice), "decline")

    async def has_failed() -> bool:
        return _kinds(await _events(shop, invoice, cursor=again["next_cursor"])) == ["failed"]

    await shop.until(has_failed)
    await shop.decide(await shop.begin(invoice), "approve")
    await shop.until_paid(invoice)
    page = await _events(shop, invoice, limit=2)
    assert _kinds(page) == ["received", "failed"]
    rest = await _events(shop, invoice, cursor=page["next_cursor"])
    assert _kinds(rest) == ["paid"]
    assert rest["events"][0]["description"] == "Payment celebration"
    assert rest["events"][0]["paid"] is True


async def test_the_list_says_what_the_callbacks_say_in_the_same_order(shop: Shop) -> None:
    invoice = await shop.invoice()
    checkout = await shop.begin(invoice)
    await shop.decide(checkout, "decline")
    await shop.app.state.ringback.drain()
    await shop.decide(checkout, "approve")
    await shop.until_paid(invoice)
    await shop.browser.post(f"{shop.url}/invoices/{invoice['id']}/refund", json={"amount": "1"})
    await shop.browser.post(f"{shop.url}/invoices/{invoice['id']}/refund")
    listed = (await _events(shop, invoice, cursor="0"))["events"]
    told = await _told(shop, invoice, 4)
    assert told == [(event["description"], event["paid"]) for event in listed]
    assert told == [
        ("Payment failed", False),
        ("Payment celebration", True),
        ("Payment partially refunded", True),
        ("Payment refunded", False),
    ]


@pytest.mark.parametrize("cursor", ["x", "-1", "１", "1.5", "9" * 11])
async def test_a_cursor_that_was_never_given_is_refused(shop: Shop, cursor: str) -> None:
    invoice = await shop.invoice()
    answer = await shop.browser.get(f"{shop.url}/invoices/{invoice['id']}/events", params={"cursor": cursor})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "cursor"


async def test_nobody_is_called_back_about_what_was_not_asked_for(shop: Shop) -> None:
    invoice = await shop.invoice(customer_email="richie@rich.example")
    await shop.app.state.ringback.drain()
    await shop.browser.post(f"{shop.url}/invoices/{invoice['id']}/void")
    assert await _told(shop, invoice, 0) == []
    assert _kinds(await _events(shop, invoice)) == ["received", "sent", "voided"]


async def test_an_account_is_called_back_about_what_it_chose_once_each_and_in_order(
    shop: Shop, choose: Any
) -> None:
    await choose("voided", "received", "sent")
    found = (await shop.browser.get(f"{shop.url}/settings")).json()
    assert found == {"callbacks": ["received", "sent", "voided"]}
    invoice = await shop.invoice(customer_email="richie@rich.example")
    await shop.app.state.ringback.drain()
    for _ in range(2):
        await shop.browser.post(f"{shop.url}/invoices/{invoice['id']}/void")
    assert await _told(shop, invoice, 3) == [
        ("Invoice received", False),
        ("Invoice sent", False),
        ("Invoice voided", False),
    ]


@pytest.mark.parametrize("callbacks", [["paid"], ["nonsense"], "sent", None, ["sent"] * 7])
async def test_what_nobody_can_choose_is_refused(shop: Shop, callbacks: Any) -> None:
    answer = await shop.browser.put(f"{shop.url}/settings", json={"callbacks": callbacks})
    assert answer.status_code == 422


async def test_a_written_off_invoice_is_uncollectible_until_it_is_paid_after_all(shop: Shop) -> None:
    invoice = await shop.invoice()
    checkout = await shop.begin(invoice)
    session = await shop.session(checkout)
    state = (await shop.browser.post(f"{shop.url}/invoices/{invoice['id']}/write-off")).json()
    assert state["status"] == "uncollectible"
    assert "This invoice is closed" in (await shop.browser.get(invoice["pay_url"])).text

    async def closed() -> bool:
        return bool((await shop.session(checkout))["status"] == "expired")

    await shop.until(closed)
    paid = session | {"status": "complete", "payment_status": "paid", "payment_intent": "pi_9", "url": None}
    await shop.tell("checkout.session.completed", paid)
    assert (await shop.state(invoice))["status"] == "paid"
    refused = await shop.browser.post(f"{shop.url}/invoices/{invoice['id']}/write-off")
    assert "an invoice that is paid cannot be written off" in refused.json()["detail"]
