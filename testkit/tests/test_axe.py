from playwright.async_api import Browser
from testkit.axe import violations


async def test_what_keeps_people_out_is_found(browser: Browser) -> None:
    page = await browser.new_page()
    await page.set_content(
        "<html lang=en><title>Pay</title><main><h1>Pay</h1><p style='color:#ccc'>Now</p><img src=x>"
    )
    found = [violation.partition(": ")[0] for violation in await violations(page)]
    assert found == ["color-contrast", "image-alt", "in the dark"]


async def test_a_page_for_everybody_passes(browser: Browser) -> None:
    page = await browser.new_page()
    await page.set_content("<html lang=en><title>Pay</title><main><h1>Pay</h1><p>Now</p>")
    assert await violations(page) == []
