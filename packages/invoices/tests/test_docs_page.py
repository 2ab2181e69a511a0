"""The documentation: drawn without the internet, and true."""

import hashlib
import os
from collections.abc import AsyncIterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate
from playwright.async_api import Browser, Request, expect

from invoices.accounts import service as accounts
from invoices.invoices.money import EXPONENTS
from ringback.receiver import Receiver

expect.set_options(timeout=20_000)  # a busy machine draws slowly


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """One database is enough here: the document is the same."""
    return sqlite_url


@pytest.fixture
async def service(start_service: Any) -> AsyncIterator[Any]:
    async with start_service() as started:
        yield started


async def test_the_page_shows_the_callback_and_asks_no_other_host(service: Any, browser: Browser) -> None:
    context = await browser.new_context()
    page = await context.new_page()
    asked: list[str] = []
    complaints: list[str] = []

    def note(request: Request) -> None:
        asked.append(request.url)

    page.on("request", note)
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(f"{service.client.base_url}/docs")
    operation = page.locator("#operations-invoices-create_invoice_invoices__post")
    await operation.get_by_role("button", name="POST /invoices/ Create Invoice").first.click()
    await operation.get_by_text("Callbacks", exact=True).click()
    await operation.get_by_text("invoice_notification").first.wait_for()
    await operation.get_by_text("/invoices/{$request.body#/id}").first.wait_for()
    await context.close()
    base = str(service.client.base_url)
    assert [url for url in asked if not url.startswith((base, "data:"))] == []
    assert complaints == []


async def test_the_document_is_valid_and_has_the_tutorials_words(service: Any) -> None:
    document = (await service.client.get("/openapi.json")).json()
    validate(document)
    operation = document["paths"]["/invoices/"]["post"]
    body = operation["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/Invoice"}
    invoice = document["components"]["schemas"]["Invoice"]
    # The total, which the tutorial requires, may here follow from the lines.
    assert invoice["required"] == ["id", "customer"]
    assert {"id", "title", "customer", "total"} <= set(invoice["properties"])
    (key,) = operation["callbacks"]["invoice_notification"]
    assert key == "{$request.query.callback_url}/invoices/{$request.body#/id}"
    assert set(invoice["properties"]["currency"]["anyOf"][0]["enum"]) == set(EXPONENTS)


async def test_every_refusal_is_documented_as_a_problem(service: Any) -> None:
    document = (await service.client.get("/openapi.json")).json()
    for path, operations in document["paths"].items():
        if not path.startswith("/invoices"):
            continue
        for operation in operations.values():
            for status, answer in operation["responses"].items():
                if status != "200":
                    assert set(answer["content"]) == {"application/problem+json"}, (path, status)
    statuses = set(document["paths"]["/invoices/"]["post"]["responses"])
    assert statuses == {"200", "400", "401", "403", "409", "413", "415", "422", "429", "default"}


def test_the_copied_files_are_those_of_the_named_version() -> None:
    folder = Path(str(files("invoices") / "static" / "swagger-ui"))
    for line in (folder / "VERSION").read_text().splitlines()[1:]:
        digest, name = line.split()
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, name


async def test_the_icon_is_ours(service: Any) -> None:
    answer = await service.client.get("/favicon.ico", follow_redirects=True)
    assert answer.headers["content-type"] == "image/svg+xml"


async def test_a_test_callback_is_sent_from_the_callbacks_tab_with_the_accounts_key(
    start_service: Any, browser: Browser, ringback_receivers: Any
) -> None:
    receiver = ringback_receivers("ok", "wrong-shape")
    complaints: list[str] = []
    async with start_service(callback_allow_networks=["127.0.0.0/8"]) as service:
        async with service.app.state.sessions.begin() as session:
            opened = await accounts.create(session, service.app.state.ringback, "acme")
        context = await browser.new_context(viewport={"width": 1280, "height": 1000})
        page = await context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console", lambda one: complaints.append(one.text) if "Content Security" in one.text else None
        )
        await page.goto(f"{service.client.base_url}/docs")
        operation = page.locator("#operations-invoices-create_invoice_invoices__post")
        await operation.get_by_role("button", name="POST /invoices/ Create Invoice").first.click()
        await operation.get_by_text("Callbacks", exact=True).click()
        panel = operation.locator(".callback-test")
        await panel.get_by_label("Your receiver’s URL").fill(f"{receiver.url}/events")

        await panel.get_by_role("button", name="Send test").click()
        await expect(panel.get_by_role("alert")).to_contain_text("Give your key under “Authorize”")
        await page.get_by_role("button", name="Authorize").first.click()
        await page.get_by_label("auth-bearer-value").fill(str(opened.api_key))
        await page.get_by_role("button", name="Apply credentials").click()
        await page.get_by_role("button", name="Close").click()

        await panel.get_by_role("button", name="Send test").click()
        await expect(panel.get_by_role("status")).to_contain_text("✓ Answered 200 as documented.")
        await expect(panel.locator("pre")).to_contain_text("POST http://127.0.0.1")
        await expect(panel.locator("pre")).to_contain_text("webhook-id: msg_test_")
        await panel.get_by_role("button", name="Send test").click()
        await expect(panel.get_by_role("status")).to_contain_text("✗ Answered 200, not as documented.")
        await expect(panel.get_by_role("status")).to_contain_text('$: is not of type "object"')
        if shots := os.environ.get("SHOTS"):
            await page.screenshot(path=f"{shots}/docs-panel.png", full_page=True)
        await context.close()
    assert complaints == []
    first, second = receiver.requests
    verify = Receiver(opened.signing_secret).verify
    for request in (first, second):
        assert verify(request.headers, request.body, "/events/invoices/test").is_test


async def test_a_test_callback_takes_a_key_that_may_manage(
    start_service: Any, ringback_receiver: Any
) -> None:
    wanted = {
        "path": "/invoices/",
        "method": "post",
        "callback": "invoice_notification",
        "url": ringback_receiver.url,
    }
    async with start_service(callback_allow_networks=["127.0.0.0/8"]) as service:
        open_mode = await service.client.post("/callback-tests", json=wanted)
        foreign = await service.client.post("/callback-tests", json=wanted, headers={"Host": "evil.example"})
        async with service.app.state.sessions.begin() as session:
            await accounts.create(session, service.app.state.ringback, "acme")
        without = await service.client.post("/callback-tests", json=wanted)
    assert (open_mode.status_code, open_mode.json()["good"]) == (200, True)
    assert foreign.status_code == 403
    assert (without.status_code, without.headers["content-type"]) == (401, "application/problem+json")
    assert len(ringback_receiver.requests) == 1
