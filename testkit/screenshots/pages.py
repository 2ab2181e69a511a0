"""Which pictures there are, and how each page is reached."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from playwright.async_api import BrowserContext, Page
from testkit.screenshots.stage import FLAKY, Stage

__all__ = ["SHOWN", "SIZES", "NotAsItShould", "walk"]

SIZES: Final = {"desktop": (1280, 800), "phone": (390, 844)}

SHOWN: Final = (
    "documentation-desktop",
    "invoice-open-desktop",
    "console-overview-desktop",
    "console-delivery-desktop",
)
"""The pictures that the README shows."""

_WAIT: Final = 15_000  # milliseconds


class NotAsItShould(Exception):
    """A page that answered with anything but 200, or that lacks what is to be shown."""


@dataclass(frozen=True, slots=True)
class Shot:
    """One page, ready to be photographed; `whole` takes all of it, not only what a window shows."""

    name: str
    page: Page
    whole: bool = True


async def walk(stage: Stage, context: BrowserContext, size: str) -> AsyncIterator[Shot]:
    """Every page in turn."""
    page = await context.new_page()
    await _documentation(stage, page)
    yield Shot("documentation", page, whole=False)
    for name, url in stage.pages.items():
        await _open(page, url)
        yield Shot(name if name.startswith("checkout") else f"invoice-{name}", page)
    await _open(page, await stage.processing(f"north-processing-{size}"))
    yield Shot("invoice-processing", page)
    await _open(page, f"{stage.console}/", ends_at="sign-in")
    yield Shot("console-sign-in", page, whole=False)
    await page.locator("input[type=password]").fill(stage.console_secret)
    await page.locator("main button[type=submit]").first.click()
    await page.locator("nav.places a").first.wait_for(timeout=_WAIT)
    places = await page.locator("nav.places a").evaluate_all("links => links.map(link => link.href)")
    for place in places:
        name = place.removeprefix(stage.console).strip("/").replace("/", "-")
        await _open(page, place)
        yield Shot(f"console-{name}", page, whole=name == "overview")
        async for shot in _one_of(stage, page, name):
            yield shot


async def _one_of(stage: Stage, page: Page, place: str) -> AsyncIterator[Shot]:
    """The page of one delivery (the one that was tried twice), of the newest mail, of the newest invoice."""
    if place == "deliveries":
        await _open(page, f"{stage.console}/deliveries/{await stage.delivery(FLAKY, attempts=2)}")
        yield Shot("console-delivery", page)
    elif place in ("mails", "invoices"):
        links = page.locator(f"main a[href*='/{place}/']")
        if not await links.count():
            raise NotAsItShould(f"{page.url} leads to none of the {place}")
        await _open(page, await links.first.evaluate("link => link.href"))
        yield Shot(f"console-{place.removesuffix('s')}", page)


async def _documentation(stage: Stage, page: Page) -> None:
    await _open(page, f"{stage.service}/docs")
    operation = page.locator("#operations-invoices-create_invoice_invoices__post")
    await operation.locator("button.opblock-summary-control").first.click(timeout=_WAIT)
    await operation.get_by_text("Callbacks", exact=True).click(timeout=_WAIT)
    callback = operation.locator(".callbacks-container")
    await callback.wait_for(timeout=_WAIT)
    await callback.locator("button.opblock-summary-control").first.click(timeout=_WAIT)
    await operation.get_by_text("Callbacks", exact=True).evaluate(
        "tab => window.scrollTo(0, tab.getBoundingClientRect().top + window.scrollY - 24)"
    )


async def _open(page: Page, url: str, *, ends_at: str = "") -> None:
    answer = await page.goto(url, wait_until="load", timeout=_WAIT)
    if answer is None or answer.status != 200:
        raise NotAsItShould(f"{url} answered {answer.status if answer else 'nothing'}")
    if ends_at and ends_at not in page.url:
        raise NotAsItShould(f"{url} led to {page.url}")
    await page.wait_for_timeout(300)  # until what is drawn is at rest
