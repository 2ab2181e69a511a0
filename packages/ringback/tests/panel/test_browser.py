"""The panel in FastAPI's own documentation page, in a real browser."""

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Route, expect

from ringback.testing import LocalReceiver

pytestmark = pytest.mark.asyncio(loop_scope="function")

# The same files that FastAPI's page loads from elsewhere; the service has a copy.
COPY = Path(__file__).resolve().parents[3] / "invoices/src/invoices/static/swagger-ui"

expect.set_options(timeout=20_000)  # a busy machine draws slowly


async def from_the_copy(route: Route) -> None:
    path = COPY / route.request.url.rsplit("/", 1)[1]
    await (route.fulfill(path=path) if path.is_file() else route.abort())


async def test_fastapis_own_page_has_a_panel_for_each_callback_and_keeps_what_was_typed(
    open_office: Any, browser: Browser, ringback_receiver: LocalReceiver
) -> None:
    errors: list[str] = []
    async with open_office(dependencies=[], owner=lambda: "") as office:
        context = await browser.new_context()
        page = await context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        await page.route(lambda url: "127.0.0.1" not in url, from_the_copy)
        await page.goto(f"{office.client.base_url}/docs")
        await page.get_by_role("button", name="POST /invoices/ Create Invoice").first.click()
        await page.get_by_text("Callbacks", exact=True).click()
        panel = page.locator(".callback-test")
        await expect(panel).to_have_count(1)
        await expect(panel.get_by_role("heading").first).to_have_text(
            "Send a test callback: invoice_notification"
        )

        field, send = panel.get_by_label("Your receiver’s URL"), panel.get_by_role("button", name="Send test")
        await field.fill("http://10.0.0.1/")
        await send.click()
        await expect(panel.get_by_role("alert")).to_have_text(
            "Not sent: this URL cannot be called: it must lead to a public address on a usual web port"
        )
        await page.get_by_role("button", name="POST {$request.query.callback_url}").first.click()
        await expect(field).to_have_value("http://10.0.0.1/")
        await field.fill(f"{ringback_receiver.url}/a?b=%3Cc%3E")
        await send.click()
        await expect(panel.get_by_role("status")).to_contain_text("Answered 200 as documented.")
        await context.close()
    assert errors == []
    [received] = ringback_receiver.requests
    assert received.target == "/a/invoices/test?b=%3Cc%3E"
