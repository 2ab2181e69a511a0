"""The documentation site: its navigation, and what its builder would find."""

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docs_site.checking import findings
from docs_site.reference import GENERATED
from docs_site.staging import TAKEN_IN, stage

import ringback

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = ROOT / "docs_site/zensical.toml"


def named(nav: Any) -> Iterator[str]:
    for entry in nav:
        for value in entry.values():
            if isinstance(value, str):
                yield value
            else:
                yield from named(value)


@pytest.fixture(scope="module")
def navigation() -> list[str]:
    return list(named(tomllib.loads(SETTINGS.read_text(encoding="utf-8"))["project"]["nav"]))


def test_every_page_in_the_navigation_exists(navigation: list[str]) -> None:
    elsewhere = {*TAKEN_IN.values(), *GENERATED}
    assert [
        page for page in navigation if page not in elsewhere and not (ROOT / "docs" / page).is_file()
    ] == []


def test_every_page_is_in_the_navigation_once(navigation: list[str]) -> None:
    written = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    decisions = {page for page in written if page.startswith("decisions/0")}  # their list has them
    missing = {*written, *GENERATED} - decisions - set(navigation)
    assert missing == set(), f"give them a place in {SETTINGS.relative_to(ROOT)}"
    assert len(navigation) == len(set(navigation))


def test_every_decision_is_in_the_list_of_decisions() -> None:
    folder = ROOT / "docs/decisions"
    listed = re.findall(r"\]\((\d{4}-[\w-]+\.md)\)", (folder / "README.md").read_text(encoding="utf-8"))
    assert listed == sorted(path.name for path in folder.glob("0*.md"))


def test_every_public_name_is_in_the_reference() -> None:
    page = (ROOT / "docs/reference/ringback.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^::: ringback\.(\w+)$", page, re.MULTILINE)) == sorted(ringback.__all__)


def test_links_lead_to_where_things_are_in_the_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*TAKEN_IN, "docs/how-to/console.md", "docs_src/quickstart/app.py", "docs_site/site.css"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    for name in ("docs_site/zensical.toml", "packages/ringback/src/ringback/console/static/mark.svg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "docs/reference").mkdir()
    (tmp_path / "docs/reference/page.md").write_text(
        "[a](../how-to/console.md#mount-it) [b](../../SECURITY.md) [c](../../docs_src/quickstart/app.py)"
        " [d](https://www.standardwebhooks.com) [e](#here)"
    )
    (tmp_path / "CHANGELOG.md").write_text("[f](docs/how-to/console.md)")
    monkeypatch.setattr("docs_site.staging.GENERATED", {"reference/made.md": lambda: "# Made\n"})

    stage(tmp_path, tmp_path / ".docs")

    source = tmp_path / ".docs/source"
    assert (source / "reference/page.md").read_text() == (
        "[a](../how-to/console.md#mount-it) [b](../security.md) [c](../files/docs_src/quickstart/app.py.txt)"
        " [d](https://www.standardwebhooks.com) [e](#here)"
    )
    assert (source / "changelog.md").read_text() == "[f](how-to/console.md)"
    assert (source / "reference/made.md").read_text() == "# Made\n"
    assert (source / "files/docs_src/quickstart/app.py.txt").is_file()


@pytest.mark.parametrize(
    ("html", "flaw"),
    [
        ("<a href='nowhere/'>", "the link nowhere/ leads nowhere"),
        ("<a href='other/#that'>", "the link other/#that leads to a page without that place"),
        ("<a href='#that'>", "the link #that leads to a page without that place"),
        ("<script src='https://cdn.example/x.js'>", "loads https://cdn.example/x.js from elsewhere"),
        ("<link rel=preconnect href='//fonts.example'>", "loads //fonts.example from elsewhere"),
        (
            "<a href='other/#this'><a href='https://elsewhere.example/'><img src=x.png><b id=x><a href='#x'>",
            "",
        ),
    ],
)
def test_a_flaw_of_the_site_is_found(tmp_path: Path, html: str, flaw: str) -> None:
    (tmp_path / "index.html").write_text(html)
    (tmp_path / "other").mkdir()
    (tmp_path / "other/index.html").write_text("<h2 id=this>")
    assert findings(tmp_path) == ([f"index: {flaw}"] if flaw else [])


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_site_is_built_without_a_warning() -> None:
    built = subprocess.run(
        ["make", "docs"], cwd=ROOT, check=False, capture_output=True, text=True, timeout=590
    )
    assert built.returncode == 0, built.stdout + built.stderr
    assert "0 flaws" in built.stdout
