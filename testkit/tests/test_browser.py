from pathlib import Path

from playwright.async_api import Browser


async def test_a_page_is_shown_and_read(browser: Browser, tmp_path: Path) -> None:
    page_file = tmp_path / "page.html"
    page_file.write_text("<title>Invoice</title><h1>Paid</h1>")
    page = await browser.new_page()
    await page.goto(page_file.as_uri())
    assert await page.title() == "Invoice"
    assert await page.inner_text("h1") == "Paid"
