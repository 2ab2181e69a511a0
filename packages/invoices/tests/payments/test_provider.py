"""The adapter on the official SDK, against the sandbox over HTTP."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import stripe
from fastapi import FastAPI, Response
from testkit.serving import served

from invoices.payments.provider import (
    CheckoutRequest,
    ForgedEvent,
    KeyTaken,
    Provider,
    Refused,
    Unavailable,
)
from invoices.payments.sandbox.announcer import signature

Checkout = Callable[..., CheckoutRequest]


async def test_a_report_repeats_what_was_asked_for(running: Any, checkout: Checkout) -> None:
    report = await running.provider.create_checkout(checkout(), idempotency_key="k")
    assert report.reported == "open"
    assert (report.reference, report.invoice_id) == ("pay_1", "2expen51ve")
    assert (report.amount, report.currency, report.livemode) == (999_900, "USD", False)
    assert report.url == f"{running.url}/checkout/{report.session_id}"


async def test_an_id_that_is_too_long_for_one_field_is_whole_in_the_other(
    running: Any, checkout: Checkout
) -> None:
    report = await running.provider.create_checkout(checkout(invoice_id="i" * 255), idempotency_key="k")
    assert report.invoice_id == "i" * 255


async def test_parallel_calls_with_one_key_make_one_session(running: Any, checkout: Checkout) -> None:
    calls = [running.provider.create_checkout(checkout(), idempotency_key="k") for _ in range(10)]
    reports = await asyncio.gather(*calls)
    assert len({report.session_id for report in reports}) == 1


async def test_errors_say_what_can_be_done(running: Any, checkout: Checkout) -> None:
    await running.provider.create_checkout(checkout(), idempotency_key="k")
    with pytest.raises(KeyTaken):
        await running.provider.create_checkout(checkout(amount=1), idempotency_key="k")
    with pytest.raises(Refused) as refused:
        await running.provider.create_checkout(checkout(amount=10**9), idempotency_key="l")
    assert refused.value.code == "amount_too_large"
    with pytest.raises(Refused):
        await running.provider.retrieve_checkout("cs_test_none")


async def test_a_wrong_key_may_work_later_and_is_not_repeated(running: Any, checkout: Checkout) -> None:
    provider = Provider(api_key="sk_test_wrong", webhook_secret="whsec_1", api_base=running.url)
    with pytest.raises(Unavailable, match="401"):
        await provider.create_checkout(checkout(), idempotency_key="k")
    await provider.close()


async def test_a_provider_that_does_not_answer_is_unavailable(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stripe.HTTPClient, "INITIAL_DELAY", 0.01)
    provider = Provider(api_key="sk_test_1", webhook_secret="whsec_1", api_base="http://127.0.0.1:1")
    with pytest.raises(Unavailable, match="APIConnectionError"):
        await provider.create_checkout(checkout(), idempotency_key="k")
    await provider.close()


@pytest.mark.parametrize(
    ("status_code", "body"),
    [
        (500, b"oops"),
        (503, b'{"error": {"type": "api_error", "message": "later"}}'),
        (200, b"<html>"),
        (200, b"{}"),
    ],
)
async def test_a_broken_answer_is_unavailable(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch, status_code: int, body: bytes
) -> None:
    monkeypatch.setattr(stripe.HTTPClient, "INITIAL_DELAY", 0.01)
    app = FastAPI()
    app.add_api_route("/v1/checkout/sessions", lambda: Response(body, status_code), methods=["POST"])
    async with served(app) as url:
        provider = Provider(api_key="sk_test_1", webhook_secret="whsec_1", api_base=url)
        with pytest.raises(Unavailable):
            await provider.create_checkout(checkout(), idempotency_key="k")
        await provider.close()


async def test_a_proxy_of_the_environment_is_not_asked_for_the_sandbox(
    start_sandbox: Any, checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with start_sandbox() as running:
        assert await running.provider.create_checkout(checkout(), idempotency_key="k")


EVENT = {
    "id": "evt_1",
    "object": "event",
    "created": 1_800_000_000,
    "livemode": False,
    "type": "customer.created",
    "data": {"object": {"object": "customer", "id": "cus_1"}},
}


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    provider = Provider(api_key="sk_test_1", webhook_secret="whsec_1")
    yield provider
    await provider.close()


def _signed(event: object, *, secret: str = "whsec_1", at: float | None = None) -> tuple[bytes, str]:
    payload = event if isinstance(event, str) else json.dumps(event)
    return payload.encode(), signature(secret, int(at or time.time()), payload)


async def test_a_signed_event_is_read(provider: Provider) -> None:
    event = provider.verify_event(*_signed(EVENT))
    assert (event.id, event.type, event.report) == ("evt_1", "customer.created", None)


async def test_forgeries_are_refused(provider: Provider) -> None:
    body, header = _signed(EVENT)
    old = _signed(EVENT, at=time.time() - 600)
    other = _signed(EVENT, secret="whsec_2")
    forged: list[tuple[bytes, str | None]] = [
        (body, None),
        (body, ""),
        (body, "v1=abc"),
        (body, "t=x,v1=abc"),
        (body, header.replace("v1=", "v0=")),
        (body + b" ", header),
        (b"\xff\xfe", header),
        old,
        other,
        _signed("no json"),
        _signed({**EVENT, "object": "v2.core.event"}),
        _signed({"object": "event"}),
        _signed([]),
        _signed("null"),
        _signed({**EVENT, "type": "checkout.session.completed"}),
    ]
    for payload, given in forged:
        with pytest.raises(ForgedEvent):
            provider.verify_event(payload, given)


@pytest.mark.parametrize(
    ("key", "livemode"),
    [("sk_test_1", False), ("rk_test_1", False), ("sk_live_1", True), ("rk_live_1", True)],
)
async def test_the_key_says_whether_money_is_real(key: str, livemode: bool) -> None:
    provider = Provider(api_key=key, webhook_secret="whsec_1")
    assert provider.livemode is livemode
    await provider.close()
