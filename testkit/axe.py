"""Looks at a page as axe-core does: what keeps people out who use it otherwise than its author."""

from pathlib import Path
from typing import Any, Final

from playwright.async_api import Page

__all__ = ["violations"]

_SOURCE: Final = (Path(__file__).parent / "axe_core" / "axe.min.js").read_text(encoding="utf-8")
_RULES: Final = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")


async def violations(page: Page) -> list[str]:
    """What axe-core finds on the page as it is shown: the rule, what is wrong, and where."""
    # Evaluated, not added to the page: its policy lets in no script of others.
    await page.evaluate(_SOURCE)
    found: dict[str, Any] = await page.evaluate(
        "rules => axe.run(document, {runOnly: rules, resultTypes: ['violations']})", list(_RULES)
    )
    return [
        f"{violation['id']}: {violation['help']}: {node['html'][:200]} ({node['failureSummary']})"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]
