import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("packages/*/README.md")])
SNIPPET = re.compile(r"<!-- (docs_src/\S+) -->\n```\w*\n(.*?)```", re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")


def names(pages: list[Path]) -> list[str]:
    return [str(page.relative_to(ROOT)) for page in pages]


@pytest.mark.parametrize("page", names(PAGES))
def test_each_snippet_is_part_of_a_program_that_is_tested(page: str) -> None:
    for source, code in SNIPPET.findall((ROOT / page).read_text(encoding="utf-8")):
        assert code in (ROOT / source).read_text(encoding="utf-8"), f"{page}: not what {source} says"


@pytest.mark.parametrize("page", names(PAGES))
def test_each_link_within_the_project_leads_somewhere(page: str) -> None:
    links = LINK.findall((ROOT / page).read_text(encoding="utf-8"))
    local = [link for link in links if "://" not in link and not link.startswith("mailto:")]
    missing = [link for link in local if not ((ROOT / page).parent / link).exists()]
    assert not missing


@pytest.mark.parametrize("page", names(PAGES))
def test_each_path_that_is_named_exists(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    named = re.findall(r"`((?:packages|docs|docs_src|scripts|testkit)/[\w./-]+)`", text)
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_each_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for page in PAGES:
        named = set(re.findall(r"`make ([a-z-]+)", page.read_text(encoding="utf-8")))
        assert named <= targets, page
