"""The service's own pages of the console in a real browser."""

import re
from typing import Any

import pytest
from playwright.async_api import Browser, expect
from testkit.axe import violations

Start = Any

SECRET = "an-operator-keeps-this-to-himself-0123456789"
TUTORIAL = {"id": "2expen51ve", "customer": "Mr. Richie Rich", "total": "9999"}


@pytest.mark.long
async def test_no_page_keeps_anybody_out_and_a_mail_is_shown(browser: Browser, start_service: Start) -> None:
    async with start_service(console_secret=SECRET, base_url="http://127.0.0.1:8000") as service:
        await service.send(TUTORIAL)
        site = f"{str(service.client.base_url).rstrip('/')}/console"
        context = await browser.new_context()
        page = await context.new_page()
        await page.goto(f"{site}/sign-in?next=/mails")
        await page.get_by_label("Secret").fill(SECRET)
        async with page.expect_navigation():
            await page.get_by_role("button", name="Sign in").click()
        assert await violations(page) == []
        await page.keyboard.press("j")
        await page.keyboard.press("Enter")
        letter = page.frame_locator("iframe.letter")
        await expect(letter.get_by_text("9,999.00 USD", exact=True)).to_be_visible()
        await expect(letter.get_by_role("link").first).to_have_attribute("href", re.compile("/pay/"))
        for path in ("invoices", "invoices/1", "accounts"):
            await page.goto(f"{site}/{path}")
            assert await violations(page) == [], path
        await context.close()
