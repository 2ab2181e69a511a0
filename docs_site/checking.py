"""What is wrong with the pages that were built: links to nowhere, and things that come from other hosts."""

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

__all__ = ["findings"]

_SITE = "https://site.invalid/"
_LOADING = {("script", "src"), ("img", "src"), ("iframe", "src"), ("source", "src"), ("link", "href")}
_LINKING = {"canonical", "next", "prev", "alternate"}


class _Page(HTMLParser):
    """What a page has: its anchors, where its links lead, what it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: set[str] = set()
        self.loads: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        self.anchors.update(value for name, value in named.items() if name in ("id", "name"))
        if tag == "a" and "href" in named:
            self.links.add(named["href"])
        for name, value in named.items():
            if (tag, name) in _LOADING and named.get("rel") not in _LINKING:
                self.loads.add(value)


def findings(site: Path) -> list[str]:
    """Each flaw as a line that names the page."""
    pages = {_address(path, site): _Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    found = [
        f"{address.removeprefix(_SITE) or 'index'}: {flaw}"
        for address, page in pages.items()
        if not address.endswith("404.html")
        for flaw in [*_dead_links(address, page, pages, site), *_foreign(address, page)]
    ]
    return sorted(
        found + [f"{path.name}: loads a font or a picture from elsewhere" for path in _sheets(site)]
    )


def _address(path: Path, site: Path) -> str:
    name = path.relative_to(site).as_posix()
    return _SITE + (name.removesuffix("index.html") if path.name == "index.html" else name)


def _dead_links(address: str, page: _Page, pages: dict[str, _Page], site: Path) -> Iterator[str]:
    for link in page.links:
        goal = urlsplit(urljoin(address, link))
        place = goal._replace(fragment="", query="").geturl()
        if not place.startswith(_SITE):
            continue
        known = pages.get(place)
        if known is None and not (site / unquote(place.removeprefix(_SITE))).is_file():
            yield f"the link {link} leads nowhere"
        elif known is not None and goal.fragment and unquote(goal.fragment) not in known.anchors:
            yield f"the link {link} leads to a page without that place"


def _foreign(address: str, page: _Page) -> Iterator[str]:
    for link in page.loads:
        if not urljoin(address, link).startswith((_SITE, "data:")):
            yield f"loads {link} from elsewhere"


def _sheets(site: Path) -> Iterator[Path]:
    for path in site.rglob("*.css"):
        text = path.read_text(encoding="utf-8")
        if "url(http" in text or "url(//" in text or "@import" in text:
            yield path
