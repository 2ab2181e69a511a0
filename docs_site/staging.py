"""The pages as the site has them: a copy, with what lies outside of docs/ taken in, and what is generated."""

import re
import shutil
from pathlib import Path

from docs_site.reference import GENERATED

__all__ = ["TAKEN_IN", "stage"]

TAKEN_IN = {
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "AGENTS.md": "code-style.md",
}
"""Pages of the project's front folder, and what they are called in the site."""

_LINK = re.compile(r"(\]\()([^)#\s]+)(#[^)\s]*)?(\))")
_MARK = "packages/ringback/src/ringback/console/static/mark.svg"


def stage(root: Path, folder: Path) -> None:
    """Make `folder` ready to be built: its `source`, and the settings beside it."""
    source = folder / "source"
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(root / "docs", source)
    for name, staged in TAKEN_IN.items():
        shutil.copy(root / name, source / staged)
    for staged, write in GENERATED.items():
        (source / staged).write_text(write(), encoding="utf-8")
    (source / "assets").mkdir(exist_ok=True)
    shutil.copy(root / _MARK, source / "assets" / "mark.svg")
    shutil.copy(root / "docs_site" / "site.css", source / "assets" / "site.css")
    shutil.copy(root / "docs_site" / "zensical.toml", folder / "zensical.toml")
    origins = {source / staged: root / name for name, staged in TAKEN_IN.items()}
    for page in source.rglob("*.md"):
        origin = origins.get(page, root / "docs" / page.relative_to(source))
        page.write_text(_relinked(page, origin, root, source), encoding="utf-8")


def _relinked(page: Path, origin: Path, root: Path, source: Path) -> str:
    """The page's text, its links leading to where things are in the site."""

    def leading(found: re.Match[str]) -> str:
        opening, link, anchor, closing = found.groups(default="")
        if "://" in link or link.startswith("mailto:"):
            return found[0]
        place = _staged((origin.parent / link).resolve(), root, source)
        there = Path("../" * len(page.parent.relative_to(source).parts)) / place.relative_to(source)
        return f"{opening}{there.as_posix()}{anchor}{closing}"

    return _LINK.sub(leading, page.read_text(encoding="utf-8"))


def _staged(named: Path, root: Path, source: Path) -> Path:
    """Where a file of the project is in the site; one that is no page is copied there."""
    name = named.relative_to(root).as_posix()
    if name in TAKEN_IN:
        return source / TAKEN_IN[name]
    if name.startswith("docs/"):
        return source / name.removeprefix("docs/")
    if named.is_dir():
        raise ValueError(f"a page links to the folder {name}, which the site has not: name a file in it")
    copy = source / "files" / f"{name}.txt"
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(named, copy)
    return copy
