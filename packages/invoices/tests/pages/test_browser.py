"""The pages in a real browser: the documentation's callback, and a payment by clicks alone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, Page, expect
from testkit.shop import Shop, open_shop


@pytest.fixture
async def shop(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Shop]:
    """The whole service, in the event loop of the browser."""
    async with open_shop(sqlite_url, tmp_path / "data") as shop:
        yield shop


class Visit:
    """A page, the hosts that it asked, and what it complained about."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.hosts: set[str] = set()
        self.complaints: list[str] = []
        page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("requestfailed", lambda request: self.complaints.append(f"failed: {request.url}"))

    def _heard(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)


@asynccontextmanager
async def _visit(browser: Browser, **options: Any) -> AsyncIterator[Visit]:
    context = await browser.new_context(**options)
    try:
        yield Visit(await context.new_page())
    finally:
        await context.close()


async def test_the_documentation_draws_the_callback_without_the_internet(
    browser: Browser, shop: Shop
) -> None:
    async with _visit(browser, viewport={"width": 1280, "height": 900}) as visit:
        await visit.page.goto(f"{shop.url}/docs")
        operation = visit.page.locator(".opblock-post", has=visit.page.get_by_text("/invoices/", exact=True))
        await operation.first.locator(".opblock-summary-control").click()
        await operation.locator(".tab-header").get_by_text("Callbacks", exact=True).click()
        callback = visit.page.locator(".callbacks-container")
        await expect(callback).to_contain_text("invoice_notification")
        await expect(callback).to_contain_text("callback_url")
        await expect(callback.locator(".opblock-post")).to_be_visible()
        assert visit.hosts == {urlsplit(shop.url).netloc}
        assert visit.complaints == []


@pytest.mark.parametrize(
    "options",
    [
        {"viewport": {"width": 1280, "height": 800}},
        {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True},
    ],
    ids=["desktop", "phone"],
)
async def test_a_customer_is_declined_tries_again_and_sees_the_invoice_paid(
    browser: Browser, shop: Shop, options: dict[str, Any]
) -> None:
    invoice = await shop.invoice()
    async with _visit(browser, java_script_enabled=False, **options) as visit:
        page = visit.page
        await page.goto(invoice["pay_url"])
        await expect(page.get_by_role("note")).to_contain_text("No real money moves")
        await page.get_by_role("button", name="Pay 9,999.00 USD").click()
        await page.get_by_role("button", name="Decline the card").click()
        await expect(page.get_by_role("alert")).to_contain_text("The card was declined.")
        await page.get_by_role("link", name="Back to the invoice").click()
        await expect(page.get_by_text("Amount due")).to_be_visible()
        await page.get_by_role("button", name="Pay 9,999.00 USD").click()
        await page.get_by_role("button", name="Pay 9,999.00 USD").click()
        await expect(page.get_by_role("heading", name="Payment received")).to_be_visible()
        assert page.url == f"{invoice['pay_url']}?returned=1"
        assert visit.hosts == {urlsplit(shop.url).netloc}
        assert visit.complaints == []
    assert (await shop.state(invoice))["status"] == "paid"


async def test_no_page_is_wider_than_a_small_phone(browser: Browser, shop: Shop) -> None:
    invoice = await shop.invoice(
        id="i" * 255,
        title="t" * 300,
        customer="w" * 200,
        total="999999999999.99",
        currency="USD",
    )
    other = await shop.invoice()
    async with _visit(browser, viewport={"width": 320, "height": 640}) as visit:
        for url in (invoice["pay_url"], await shop.begin(other), f"{shop.url}/pay/unknown"):
            await visit.page.goto(url)
            widths = await visit.page.evaluate(
                "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
            )
            assert widths[0] <= widths[1]
