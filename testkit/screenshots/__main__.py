"""``make screenshots``: play the demo, walk every page on a desktop and on a phone, keep the pictures."""

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

from playwright.async_api import Browser, BrowserContext
from testkit.browser import running_browser
from testkit.screenshots.pages import SHOWN, SIZES, NotAsItShould, walk
from testkit.screenshots.stage import Stage, staged

ROOT: Final = Path(__file__).resolve().parents[2]
SHOWN_FOLDER: Final = ROOT / "docs" / "images"
ALL_FOLDER: Final = ROOT / ".docs" / "screenshots"
MOST_BYTES: Final = 150_000
MOST_HEIGHT: Final = 4000


async def main(minutes: float) -> int:
    """Business goes on for so many minutes first, so that charts have something to show.

    Returns 1 where a page is not as it should be; the pictures up to there are kept.
    """
    shutil.rmtree(ALL_FOLDER, ignore_errors=True)
    ALL_FOLDER.mkdir(parents=True)
    folder = Path(tempfile.mkdtemp(prefix="screenshots-"))
    complaints: list[str] = []
    async with staged(folder, minutes) as stage, running_browser() as browser:
        for size in SIZES:
            complaints += await _photographed(stage, browser, size)
    shutil.rmtree(folder)
    SHOWN_FOLDER.mkdir(exist_ok=True)
    for name in SHOWN:
        picture = ALL_FOLDER / f"{name}.png"
        if picture.stat().st_size > MOST_BYTES:
            complaints.append(f"{name} has {picture.stat().st_size:,} bytes, the limit is {MOST_BYTES:,}")
        shutil.copy(picture, SHOWN_FOLDER / picture.name)
    print(f"{len(list(ALL_FOLDER.glob('*.png')))} pictures in {ALL_FOLDER}, {len(SHOWN)} in {SHOWN_FOLDER}")
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    return 1 if complaints else 0


async def _photographed(stage: Stage, browser: Browser, size: str) -> list[str]:
    """Walk once in windows of this size; returns what the pages complained of."""
    width, height = SIZES[size]
    context = await browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="light",
        reduced_motion="reduce",
        locale="en-US",
        is_mobile=size == "phone",
        has_touch=size == "phone",
    )
    complaints = _listen(context, stage)
    try:
        async for shot in walk(stage, context, size):
            path = ALL_FOLDER / f"{shot.name}-{size}.png"
            whole = shot.whole and path.stem not in SHOWN
            tall = await shot.page.evaluate("document.documentElement.scrollHeight") > MOST_HEIGHT
            await shot.page.screenshot(path=path, full_page=whole and not tall, animations="disabled")
    except NotAsItShould as error:
        complaints.append(f"{size}: {error}")
    finally:
        await context.close()
    return complaints


def _listen(context: BrowserContext, stage: Stage) -> list[str]:
    """What scripts throw, what is refused by a policy, what comes from elsewhere: none of it should be."""
    complaints: list[str] = []

    def said(message: str) -> None:
        if message not in complaints:
            complaints.append(message)

    context.on("weberror", lambda error: said(f"a script failed: {error.error}"))
    context.on("console", lambda line: said(f"{line.page}: {line.text}") if line.type == "error" else None)
    context.on(
        "request",
        lambda request: (
            None
            if request.url.startswith((stage.service, "data:", "blob:", "about:"))
            else said(f"loads {request.url}")
        ),
    )
    return complaints


if __name__ == "__main__":
    sys.exit(asyncio.run(main(float(sys.argv[1]))))
