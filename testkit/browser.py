"""A real Chromium for the tests of pages: the one that is installed, never one that is downloaded."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, async_playwright

__all__ = ["HOW_TO_INSTALL", "find_chromium", "running_browser"]

HOW_TO_INSTALL = "install Chromium (Debian: apt-get install chromium) or name one in CHROMIUM"

_ARGUMENTS = [
    "--no-sandbox",  # Chromium refuses its sandbox as root, which is what containers run as
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find_chromium() -> str | None:
    """Return the path of an installed Chromium or Chrome; ``CHROMIUM`` in the environment goes first."""
    names = (
        os.environ.get("CHROMIUM", ""),
        "chromium",
        "chromium-browser",
        "google-chrome",
        "google-chrome-stable",
    )
    return next((path for name in names if name and (path := shutil.which(name))), None)


@asynccontextmanager
async def running_browser() -> AsyncIterator[Browser]:
    """Yield a headless browser that nothing else uses."""
    path = find_chromium()
    if path is None:
        raise RuntimeError(f"This test needs a browser: {HOW_TO_INSTALL}.")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=_ARGUMENTS)
        try:
            yield browser
        finally:
            await browser.close()
