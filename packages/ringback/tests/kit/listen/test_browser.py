"""The listener's page in a real browser: live, and safe with whatever came in."""

from typing import Any

from playwright.async_api import Browser, expect

from ringback._signing import new_message_id, new_secret, sign

PATH = "/events/invoices/2expen51ve"
BODY = b'{"description":"Payment celebration","paid":true,"total":10.50,"id":12345678901234567890}'
JSON = {"content-type": "application/json"}
HOSTILE = "<script>window.owned = 1</script><img src=x onerror='window.owned = 1'>\u202egnp.exe\u0007"

expect.set_options(timeout=20_000)  # a busy machine draws slowly


async def test_requests_appear_as_they_come_and_each_can_be_looked_at(
    tutorial: dict[str, Any], listening: Any, browser: Browser
) -> None:
    secret = new_secret()
    message_id, now = new_message_id(PATH), 4_000_000_000
    signed = {
        **JSON,
        "webhook-id": message_id,
        "webhook-timestamp": str(now),
        "webhook-signature": sign([secret], message_id, now, BODY),
    }
    complaints: list[str] = []
    context = await browser.new_context(viewport={"width": 1280, "height": 800})
    page = await context.new_page()
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    async with listening(tutorial, secrets=[secret], clock=lambda: float(now)) as there:
        await page.goto(there.page)
        await expect(page.get_by_text("Nothing has come in yet")).to_be_visible()
        await expect(page.get_by_role("status").first).to_have_text("Live")
        await expect(page.locator("#url")).to_have_text(there.url)
        await there.client.post(there.url + PATH, content=BODY, headers=signed)
        await there.client.post(there.url + PATH, content=BODY, headers=signed)
        await there.client.post(there.url + PATH, content=b'{"paid":"yes"}', headers=JSON)
        rows = page.locator("#rows button")
        await expect(rows).to_have_count(3)
        await expect(page.locator("#count")).to_have_text("3 so far, 1 not as documented")
        await rows.nth(1).click()
        detail = page.locator("#detail")
        await expect(detail).to_contain_text("v1 verified")
        await expect(detail).to_contain_text("attempt 2")
        await expect(detail).to_contain_text('"id": 12345678901234567890')
        await expect(detail).to_contain_text('"total": 10.50')
        await expect(detail).to_contain_text("curl -i -X POST")
        await page.get_by_label("Only what is wrong").check()
        await expect(rows.filter(visible=True)).to_have_count(1)
        await rows.first.click()
        await expect(detail).to_contain_text("is a required property")
    await expect(page.get_by_role("status").first).to_have_text("Not reachable")
    await context.close()
    assert [one for one in complaints if "ERR_" not in one] == []


async def test_what_came_in_is_text_whatever_it_holds(
    tutorial: dict[str, Any], listening: Any, browser: Browser
) -> None:
    context = await browser.new_context(color_scheme="dark", viewport={"width": 390, "height": 844})
    page = await context.new_page()
    async with listening(tutorial) as there:
        headers = {**JSON, "x-hostile": HOSTILE.replace("\u202e", "").replace("\u0007", "")}
        await there.client.post(
            f"{there.url}/events/invoices/%3Cscript%3E?{'<b>' * 3}", content=HOSTILE.encode(), headers=headers
        )
        await page.goto(there.page)
        await page.locator("#rows button").first.click()
        detail = page.locator("#detail")
        await expect(detail).to_contain_text("<script>window.owned = 1</script>")
        await expect(detail.locator("pre .unseen").first).to_have_text("U+202E")
        await expect(detail.locator("pre .unseen").nth(1)).to_have_text("BEL")
        assert await page.evaluate("window.owned") is None
        assert await page.locator("#detail script, #detail img, #rows script").count() == 0
        width = await page.evaluate("document.documentElement.scrollWidth")
        assert width <= 390
    await context.close()
