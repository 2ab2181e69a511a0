"""The webhook endpoint: raw bytes, verified before anything is believed."""

import json
import time

import pytest
from testkit.shop import Shop

from invoices.payments.endpoints import MAX_EVENT
from invoices.payments.keys import ProviderKeys
from invoices.payments.sandbox.announcer import signature

pytestmark = pytest.mark.asyncio(loop_scope="module")

EVENT = {
    "id": "evt_1",
    "object": "event",
    "created": 1_800_000_000,
    "livemode": False,
    "type": "customer.created",
    "data": {"object": {"object": "customer", "id": "cus_1"}},
}


def _headers(shop: Shop, body: str, *, at: float | None = None) -> dict[str, str]:
    secret = ProviderKeys.of(shop.app.state.settings).webhook_secret
    return {"Stripe-Signature": signature(secret, int(at or time.time()), body)}


async def test_a_signed_event_is_acknowledged_and_stored_once(shop: Shop) -> None:
    body = json.dumps(EVENT)
    for _ in range(2):
        answer = await shop.browser.post(
            f"{shop.url}/payments/stripe", content=body, headers=_headers(shop, body)
        )
        assert (answer.status_code, answer.json()) == (200, {"received": True})
    assert await shop.rows("SELECT id, outcome FROM payment_events") == [
        {"id": "evt_1", "outcome": "unrelated"}
    ]


@pytest.mark.parametrize("case", ["no header", "other secret", "other body", "old", "not json", "no event"])
async def test_a_forgery_is_a_problem_that_names_the_header(shop: Shop, case: str) -> None:
    body = {"not json": "paid!", "no event": "{}"}.get(case, json.dumps({**EVENT, "id": "evt_2"}))
    headers = _headers(shop, body, at=time.time() - 900 if case == "old" else None)
    if case == "no header":
        headers = {}
    elif case == "other secret":
        headers = {"Stripe-Signature": signature("whsec_other", int(time.time()), body)}
    sent = f"{body} " if case == "other body" else body
    answer = await shop.browser.post(f"{shop.url}/payments/stripe", content=sent, headers=headers)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"][0]["field"] == "Stripe-Signature"
    assert await shop.rows("SELECT id FROM payment_events WHERE id = 'evt_2'") == []


async def test_a_body_that_is_too_large_is_not_read_to_its_end(shop: Shop) -> None:
    body = "x" * (MAX_EVENT + 1)
    answer = await shop.browser.post(
        f"{shop.url}/payments/stripe", content=body, headers=_headers(shop, body)
    )
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


async def test_the_document_shows_the_signature(shop: Shop) -> None:
    document = (await shop.browser.get(f"{shop.url}/openapi.json")).json()
    operation = document["paths"]["/payments/stripe"]["post"]
    assert [parameter["name"] for parameter in operation["parameters"]] == ["Stripe-Signature"]
    assert {"200", "400", "413"} <= set(operation["responses"])
    assert not [path for path in document["paths"] if path.startswith(("/pay/", "/sandbox", "/pages"))]
