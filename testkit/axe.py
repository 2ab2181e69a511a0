"""Looks at a page as axe-core does: what keeps people out who use it otherwise than its author."""

from pathlib import Path
from typing import Any, Final

from playwright.async_api import Page

__all__ = ["violations"]

_SOURCE: Final = (Path(__file__).parent / "axe_core" / "axe.min.js").read_text(encoding="utf-8")
_RULES: Final = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")


async def violations(page: Page) -> list[str]:
    """What axe-core finds on the page as it is shown, in the light and then in the dark: what, and where."""
    # Evaluated, not added to the page: its policy lets in no script of others.
    await page.evaluate(_SOURCE)
    await page.emulate_media(color_scheme="light", reduced_motion="reduce")
    found = await _run(page, {"type": "tag", "values": list(_RULES)})
    await page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    in_the_dark = await _run(page, {"type": "rule", "values": ["color-contrast"]})
    return found + [f"in the dark: {one}" for one in in_the_dark]


async def _run(page: Page, rules: dict[str, Any]) -> list[str]:
    found: dict[str, Any] = await page.evaluate(
        "rules => axe.run(document, {runOnly: rules, resultTypes: ['violations']})", rules
    )
    return [
        f"{violation['id']}: {violation['help']}: {node['html'][:200]} ({node['failureSummary']})"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]
