"""Every state of an invoice in a real browser: for everybody, on a phone, on paper, and as it changes."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, ViewportSize, expect
from sqlalchemy import text
from testkit.axe import violations
from testkit.shop import Shop, open_shop

LINES = [
    {"description": "Varnish, two coats", "quantity": "12.5", "unit_price": "89.90", "tax_rate": 19},
    {"description": "ניקוי הסירה", "unit_price": "4200"},
]

STATES = {
    "open": ("Amount due", "应付金额"),
    "overdue": ("Amount due", "应付金额"),
    "processing": ("Your payment is on its way", "付款正在处理中"),
    "paid": ("Payment received", "已收到付款"),
    "void": ("This invoice was withdrawn", "此账单已撤回"),
    "refunded": ("This payment was refunded", "款项已退回"),
    "partially_refunded": ("A part of this payment was refunded", "已退回部分款项"),
    "uncollectible": ("This invoice is closed", "此账单已关闭"),
}


@pytest.fixture
async def shop(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Shop]:
    """The whole service, in the event loop of the browser."""
    async with open_shop(sqlite_url, tmp_path / "data", seller="Golden Gate") as shop:
        yield shop


async def _invoice(shop: Shop, state: str, language: str) -> dict[str, Any]:
    invoice = await shop.invoice(
        id=f"{state}-{language}",
        customer="李小明",
        customer_address="1 Gold Street\nRichville",
        title="Autumn service",
        lines=LINES,
        total=None,
        due_on="2020-01-31" if state == "overdue" else "2099-01-31",
        notes="Thank you.\nPay soon.",
        language=language,
    )
    status = "open" if state == "overdue" else state
    came = state in ("paid", "refunded", "partially_refunded")
    back = {"refunded": "total_minor", "partially_refunded": "total_minor / 4"}.get(state, "0")
    change = (
        f"UPDATE invoices SET status = '{status}', paid_minor = {'total_minor' if came else '0'}, "
        f"refunded_minor = {back}, paid_at = {'created_at' if came else 'NULL'}, "
        f"voided_at = {'created_at' if state == 'void' else 'NULL'} WHERE id = '{invoice['id']}'"
    )
    async with shop.app.state.sessions.begin() as session:
        await session.execute(text(change))
    return invoice


async def _is_for_everybody(page: Page, what: str) -> None:
    assert await violations(page) == [], what


@pytest.mark.parametrize("language", ["en", "zh-CN"])
async def test_every_state_is_plain_in_either_language_and_keeps_nobody_out(
    browser: Browser, shop: Shop, language: str
) -> None:
    phone: ViewportSize = {"width": 390, "height": 844}
    context = await browser.new_context(viewport=phone, locale=language)
    page = await context.new_page()
    for state, words in STATES.items():
        invoice = await _invoice(shop, state, language)
        await page.goto(invoice["pay_url"])
        heading = page.get_by_role("heading", level=1)
        await expect(heading).to_have_text(words[language != "en"])
        await expect(page.locator(".lines")).to_contain_text("1,123.75 USD")
        assert await page.locator("html").get_attribute("lang") == language
        if language == "en" or state == "overdue":  # the other words change no colour and no structure
            await _is_for_everybody(page, state)
        width = await page.evaluate("document.documentElement.scrollWidth")
        assert width <= 390
    await page.goto(f"{shop.url}/pay/unknown")
    await expect(page.get_by_role("heading")).to_have_text(
        "There is no invoice behind this link" if language == "en" else "此链接没有对应的账单"
    )
    await _is_for_everybody(page, "the page of a link that opens nothing")
    await context.close()


async def test_the_checkout_keeps_nobody_out(browser: Browser, shop: Shop) -> None:
    invoice = await shop.invoice()
    checkout = await shop.begin(invoice)
    page = await browser.new_page()
    await page.goto(checkout)
    await _is_for_everybody(page, "open")
    await page.get_by_role("button", name="Decline the card").click()
    await expect(page.get_by_role("alert")).to_be_visible()
    await _is_for_everybody(page, "declined")
    await page.close()


async def test_an_open_page_shows_the_payment_and_the_refund_by_itself(browser: Browser, shop: Shop) -> None:
    invoice = await shop.invoice(language="zh-CN")
    page = await browser.new_page()
    loads: list[str] = []
    complaints: list[str] = []
    page.on("load", lambda _: loads.append(page.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(invoice["pay_url"])
    await page.get_by_role("button").focus()
    await shop.decide(await shop.begin(invoice), "approve")
    heading = page.get_by_role("heading", level=1)
    await expect(heading).to_have_text("已收到付款", timeout=10_000)
    await expect(heading).to_be_focused()
    await expect(page.get_by_role("status")).to_have_text("已收到付款")
    assert "收据" in await page.title()
    assert await page.get_by_role("button").count() == 0
    refunded = await shop.browser.post(f"{shop.url}/invoices/{invoice['id']}/refund", json={"amount": "99"})
    assert refunded.status_code == 200
    await expect(heading).to_have_text("已退回部分款项", timeout=10_000)
    assert loads == [invoice["pay_url"]]
    assert complaints == []
    await page.close()


async def test_the_page_on_paper_is_dark_on_white_and_says_where_to_pay(browser: Browser, shop: Shop) -> None:
    invoice = await _invoice(shop, "open", "en")
    page = await browser.new_page(color_scheme="dark")
    await page.goto(invoice["pay_url"])
    await page.emulate_media(media="print", color_scheme="dark")
    assert await page.get_by_role("button").count() == 0
    await expect(page.get_by_text(f"Pay online: {invoice['pay_url']}")).to_be_visible()
    look = "element => [getComputedStyle(element).color, getComputedStyle(element).backgroundColor]"
    assert await page.locator("main").evaluate(look) == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
    await page.close()
