"""The sandbox, asked by the official SDK and by a browser without scripts."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import stripe
from pydantic import SecretStr

from invoices.payments.provider import CheckoutRequest
from invoices.payments.sandbox import Sandbox, SandboxConfig
from invoices.payments.sandbox.sessions import DAY, MAX_AMOUNT
from invoices.settings import Settings

Checkout = Callable[..., CheckoutRequest]


def _form(**changes: str) -> dict[str, str]:
    return {
        "mode": "payment",
        "line_items[0][quantity]": "1",
        "line_items[0][price_data][currency]": "usd",
        "line_items[0][price_data][unit_amount]": "999900",
        "line_items[0][price_data][product_data][name]": "Invoice 2expen51ve",
        "success_url": "https://shop.example/paid",
        **changes,
    }


async def _post(
    running: Any, form: dict[str, str], key: str | None = None, api_key: str = ""
) -> httpx.Response:
    headers = {"Authorization": f"Bearer {api_key or running.sandbox.config.api_key}"}
    if key is not None:
        headers["Idempotency-Key"] = key
    url = f"{running.url}/v1/checkout/sessions"
    answer: httpx.Response = await running.browser.post(url, data=form, headers=headers)
    return answer


async def test_answers_in_the_shape_of_stripe(running: Any) -> None:
    answer = await _post(running, _form(customer_email="richie@rich.example"), key="k")
    session = answer.json()
    assert answer.status_code == 200
    assert answer.headers["request-id"].startswith("req_")
    assert session["id"].startswith("cs_test_")
    assert session["url"] == f"{running.url}/checkout/{session['id']}"
    assert (session["amount_total"], session["currency"], session["livemode"]) == (999_900, "usd", False)
    assert (session["status"], session["payment_status"]) == ("open", "unpaid")
    assert "sandbox" not in session


async def test_a_repeated_key_gives_the_same_session_and_other_parameters_an_error(running: Any) -> None:
    first, again = await _post(running, _form(), key="k"), await _post(running, _form(), key="k")
    other = await _post(running, _form(**{"line_items[0][price_data][unit_amount]": "1"}), key="k")
    without = [await _post(running, _form()) for _ in range(2)]
    assert first.json() == again.json()
    assert again.headers["idempotent-replayed"] == "true"
    assert (other.status_code, other.json()["error"]["type"]) == (400, "idempotency_error")
    assert without[0].json()["id"] != without[1].json()["id"]


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"mode": "subscription"}, "mode"),
        ({"success_url": "javascript:alert(1)"}, "success_url"),
        ({"line_items[0][price_data][unit_amount]": "-5"}, "line_items[0][price_data][unit_amount]"),
        ({"line_items[0][price_data][unit_amount]": "9.5"}, "line_items[0][price_data][unit_amount]"),
        ({"line_items[0][price_data][currency]": "dollars"}, "line_items[0][price_data][currency]"),
        ({"line_items[0][price_data][unit_amount]": str(MAX_AMOUNT + 1)}, "line_items"),
        ({"surprise": "1"}, "surprise"),
        ({"metadata[a]": "x" * 501}, "metadata[a]"),
    ],
)
async def test_refuses_parameters_by_name(running: Any, change: dict[str, str], param: str) -> None:
    answer = await _post(running, _form(**change))
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["param"]) == (400, "invalid_request_error", param)


async def test_refuses_another_key_and_an_unknown_session(running: Any) -> None:
    assert (await _post(running, _form(), api_key="sk_test_other")).status_code == 401
    url = f"{running.url}/v1/checkout/sessions"
    assert (await running.browser.get(f"{url}/cs_test_none")).status_code == 401
    basic = httpx.BasicAuth(running.sandbox.config.api_key, "")
    assert (await running.browser.get(f"{url}/cs_test_none", auth=basic)).status_code == 404
    assert (await running.browser.get(url, auth=basic)).status_code == 405


async def test_approve_completes_once_and_leads_back(
    start_sandbox: Any, hook: Any, checkout: Checkout
) -> None:
    async with start_sandbox(hook.url) as running:
        session_id = (await running.provider.create_checkout(checkout(), idempotency_key="k")).session_id
        answers = [await running.decide(session_id, "approve") for _ in range(3)]
        declined = await running.decide(session_id, "decline")
        await hook.wait_for(1)
        page = await running.browser.get(f"{running.url}/checkout/{session_id}")
    assert {answer.status_code for answer in answers} == {303}
    assert {answer.headers["location"] for answer in answers} == {"http://127.0.0.1:9/pay/token?returned=1"}
    assert declined.headers["location"].endswith(f"/checkout/{session_id}")
    assert "This payment is complete" in page.text
    assert [json.loads(body)["type"] for body in hook.bodies] == ["checkout.session.completed"]


async def test_a_decline_leaves_the_session_open(start_sandbox: Any, hook: Any, checkout: Checkout) -> None:
    async with start_sandbox(hook.url) as running:
        report = await running.provider.create_checkout(checkout(), idempotency_key="k")
        declined = await running.decide(report.session_id, "decline")
        page = await running.browser.get(declined.headers["location"])
        still = await running.provider.retrieve_checkout(report.session_id)
        await running.decide(report.session_id, "approve")
        paid = await running.provider.retrieve_checkout(report.session_id)
        await hook.wait_for(2)
    assert "The card was declined." in page.text
    assert (still.reported, paid.reported) == ("open", "paid")
    assert {json.loads(body)["type"] for body in hook.bodies} == {
        "payment_intent.payment_failed",
        "checkout.session.completed",
    }


async def test_webhooks_carry_a_signature_that_the_sdk_accepts(
    start_sandbox: Any, hook: Any, checkout: Checkout
) -> None:
    async with start_sandbox(hook.url) as running:
        report = await running.provider.create_checkout(checkout(), idempotency_key="k")
        await running.decide(report.session_id, "approve")
        await hook.wait_for(1)
        secret = running.sandbox.config.webhook_secret
        event = stripe.Webhook.construct_event(hook.bodies[0], hook.signatures[0], secret)
    assert event.data.object["client_reference_id"] == "2expen51ve"
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(hook.bodies[0], hook.signatures[0], "whsec_other")


async def test_an_event_is_told_again_until_it_is_acknowledged(
    start_sandbox: Any, hook: Any, checkout: Checkout
) -> None:
    hook.status_code = 500
    async with start_sandbox(hook.url) as running:
        report = await running.provider.create_checkout(checkout(), idempotency_key="k")
        await running.decide(report.session_id, "approve")
        await hook.wait_for(2)
        hook.status_code = 200
        await hook.wait_for(3)
    assert len({json.loads(body)["id"] for body in hook.bodies}) == 1


async def test_a_restart_forgets_nothing(start_sandbox: Any, hook: Any, checkout: Checkout) -> None:
    async with start_sandbox(None) as running:
        report = await running.provider.create_checkout(checkout(), idempotency_key="k")
        await running.decide(report.session_id, "approve")
    async with start_sandbox(hook.url) as running:
        await hook.wait_for(1)
        known = await running.provider.retrieve_checkout(report.session_id)
    assert known.reported == "paid"
    assert json.loads(hook.bodies[0])["data"]["object"]["id"] == report.session_id


async def test_a_session_expires_after_a_day(start_sandbox: Any, hook: Any, checkout: Checkout) -> None:
    now = [1_800_000_000.0]
    async with start_sandbox(hook.url, now=lambda: now[0]) as running:
        report = await running.provider.create_checkout(checkout(), idempotency_key="k")
        now[0] += DAY
        page = await running.browser.get(f"{running.url}/checkout/{report.session_id}")
        refused = await running.decide(report.session_id, "approve")
        late = await running.provider.retrieve_checkout(report.session_id)
        await hook.wait_for(1)
    assert "This checkout has expired" in page.text
    assert refused.headers["location"].endswith(f"/checkout/{report.session_id}")
    assert late.reported == "expired"
    assert [json.loads(body)["type"] for body in hook.bodies] == ["checkout.session.expired"]


@pytest.mark.parametrize("body", [b"", b"decision=", b"decision=pay", b"decision[a]=approve", b"\xff" * 5000])
async def test_only_the_two_buttons_decide(running: Any, checkout: Checkout, body: bytes) -> None:
    report = await running.provider.create_checkout(checkout(), idempotency_key="k")
    url = f"{running.url}/checkout/{report.session_id}"
    answer = await running.browser.post(url, content=body)
    assert answer.status_code == 422
    assert (await running.provider.retrieve_checkout(report.session_id)).reported == "open"


async def test_the_page_escapes_what_the_invoice_says_and_knows_unknown_ones(
    running: Any, checkout: Checkout
) -> None:
    report = await running.provider.create_checkout(
        checkout(title='<script>alert("x")</script>'), idempotency_key="k"
    )
    page = await running.browser.get(f"{running.url}/checkout/{report.session_id}")
    unknown = await running.browser.get(f"{running.url}/checkout/cs_test_none")
    posted = await running.decide("cs_test_none", "approve")
    assert "<script" not in page.text
    assert "&lt;script&gt;" in page.text
    assert "form-action 'self' http://127.0.0.1:9" in page.headers["content-security-policy"]
    assert (unknown.status_code, posted.status_code) == (404, 404)
    assert "Sandbox" in page.text


@pytest.mark.parametrize("key", ["sk_live_51abc", "rk_live_51abc", "pk_test_1", ""])
def test_refuses_keys_that_are_not_for_tests(tmp_path: Path, key: str) -> None:
    config = SandboxConfig("http://127.0.0.1:1", None, tmp_path / "sandbox.db", key, "whsec_1")
    with pytest.raises(ValueError, match="sk_test_"):
        Sandbox(config)


def test_refuses_live_mode(tmp_path: Path) -> None:
    live = Settings(
        data_dir=tmp_path,
        payments="stripe",
        stripe_secret_key=SecretStr("sk_live_1"),
        stripe_webhook_secret=SecretStr("whsec_1"),
    )
    mixed = Settings(data_dir=tmp_path, payments="sandbox", stripe_secret_key=SecretStr("sk_live_1"))
    with pytest.raises(ValueError, match="real money"):
        Sandbox.from_settings(live)
    with pytest.raises(ValueError, match="INVOICES_STRIPE_SECRET_KEY"):
        Sandbox.from_settings(mixed)


def test_the_sandboxs_keys_stay_over_restarts_and_differ_between_servers(tmp_path: Path) -> None:
    here = [Sandbox.from_settings(Settings(data_dir=tmp_path / "a")).config for _ in range(2)]
    there = Sandbox.from_settings(Settings(data_dir=tmp_path / "b")).config
    assert here[0] == here[1]
    assert here[0].webhook_url == "http://127.0.0.1:8000/payments/stripe"
    assert here[0].api_key != there.api_key
    assert here[0].webhook_secret != there.webhook_secret
    assert here[0].api_key not in repr(here[0])
