"""The pages in a real browser, with scripts: live, by keyboard, in the light and the dark."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect
from testkit.axe import violations

from ringback._types import State
from ringback.console import _replays

SECRET = "a-secret-that-nobody-guesses-0123456789"

Office = Any


expect.set_options(timeout=20_000)  # a busy machine draws slowly


@asynccontextmanager
async def entered(browser: Browser, office: Office) -> AsyncIterator[Page]:
    context = await browser.new_context()
    try:
        page = await context.new_page()
        page.set_default_timeout(20_000)
        await page.goto(f"{office.operator.base}/")
        await page.get_by_label("Secret").fill(SECRET)
        async with page.expect_navigation():
            await page.get_by_role("button", name="Sign in").click()
        yield page
    finally:
        await context.close()


async def test_no_page_keeps_anybody_out(browser: Browser, office: Office) -> None:
    for number in range(3):
        await office.ended(State.DELIVERED, f"k{number}", owner="acme")
    dead = await office.owe("dead", owner="acme")
    await office.attempt(
        dead, State.DEAD, verdict="given up", response='{"ok": false}', status_code=500, counts=-1
    )
    await office.attempt(await office.owe("again"), State.PENDING, counts=-1, breach="$.ok: is missing")
    await office.owe("due")
    office.clock.advance(90)
    async with entered(browser, office) as page:
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        for path in (
            *("/overview", "/deliveries", f"/deliveries/{dead}", "/endpoints"),
            *("/deliveries/replay", "/endpoints/1/rotate"),
        ):
            await page.goto(f"{office.operator.base}{path}")
            assert await violations(page) == [], path
        await page.keyboard.press("?")
        await expect(page.get_by_role("dialog")).to_be_visible()
        assert await violations(page) == []
        await page.goto(f"{office.operator.base}/nothing")
        assert await violations(page) == []
        assert [said for said in complaints if "404" not in said] == [], "the policy refuses nothing of ours"


async def test_pages_are_used_by_keys_alone(browser: Browser, office: Office) -> None:
    ids = [await office.ended(State.DEAD, f"k{number}") for number in range(3)]
    async with entered(browser, office) as page:
        await page.keyboard.type("gd")
        await expect(page.get_by_role("heading", name="Deliveries")).to_be_visible()
        await page.keyboard.press("j")
        await page.keyboard.press("j")
        await expect(page.locator(f"#row-{ids[1]}")).to_be_focused()
        await page.keyboard.press("k")
        await expect(page.locator(f"#row-{ids[2]}")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="invoice_notification of k2")).to_be_visible()
        await page.keyboard.press("r")
        await expect(page.get_by_role("heading", name="Replay this delivery?")).to_be_visible()
        await page.keyboard.type("gd")
        await expect(page.get_by_role("heading", name="Deliveries")).to_be_visible()
        await page.keyboard.press("/")
        search = page.get_by_role("searchbox", name="Id")
        await expect(search).to_be_focused()
        await page.keyboard.type("jk?")
        await expect(search).to_have_value("jk?")


async def test_open_pages_follow_what_happens(browser: Browser, office: Office) -> None:
    id_ = await office.owe("live")
    async with entered(browser, office) as page:
        one = await page.context.new_page()
        await page.goto(f"{office.operator.base}/deliveries")
        await one.goto(f"{office.operator.base}/deliveries/{id_}")
        await page.get_by_role("searchbox", name="Key").fill("half a wo")
        await asyncio.sleep(1.5)  # both have to listen before something happens
        await office.attempt(id_, State.DELIVERED, verdict="answered 200 as documented")
        await expect(one.get_by_text("Answered 200 as documented")).to_be_visible()
        await expect(page.get_by_text("Answered 200 as documented")).to_be_visible()
        await expect(page.get_by_role("searchbox", name="Key")).to_have_value("half a wo")


async def test_a_replay_of_many_shows_how_far_it_is(
    browser: Browser, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_replays, "BATCH", 2)
    ids = [await office.ended(State.DEAD, f"k{number}") for number in range(5)]
    async with entered(browser, office) as page:
        await page.goto(f"{office.operator.base}/deliveries?state=dead")
        await page.keyboard.press("r")
        await page.get_by_label("At most so many a second").fill("0")
        await page.get_by_role("button", name="Replay").click()
        await expect(page.get_by_role("progressbar")).to_be_visible()
        await expect(page.get_by_role("heading", name="5 deliveries are sent again")).to_be_visible(
            timeout=20_000
        )
        assert {await office.state(id_) for id_ in ids} == {"pending"}


async def test_an_open_page_asks_to_sign_in_when_the_session_has_ended(
    browser: Browser, office: Office
) -> None:
    await office.ended(State.DEAD)
    async with entered(browser, office) as page:
        await page.goto(f"{office.operator.base}/deliveries")
        answer = await page.context.request.post(
            f"{office.operator.base}/sign-out",
            form={"token": await page.locator("input[name=token]").first.input_value()},
            headers={"Origin": office.operator.base.removesuffix("/console")},
        )
        assert answer.ok
        await page.evaluate("htmx.trigger('#live', 'sse:changed')")
        await expect(page.get_by_label("Secret")).to_be_visible()
