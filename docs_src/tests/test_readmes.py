"""What both READMEs say is true, and they say the same."""

import json
import re
from pathlib import Path

import pytest
from testkit.screenshots.pages import SHOWN

from invoices.demo.story import INVOICE

ROOT = Path(__file__).resolve().parents[2]
READMES = ("README.md", "README.zh-CN.md")
MOST_BYTES = 150_000

# Fenced blocks as they are, and indented ones, which stand alone between empty lines.
BLOCK = re.compile(r"^```\w*\n[\s\S]*?^```|(?<=\n\n)(?: {4}\S.*\n)+(?=\n)", re.MULTILINE)


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(name: str) -> list[str]:
    """The code of a README, without what its comments say."""
    return [re.sub(r"(?<=\S) +# .*", "", block) for block in BLOCK.findall(text(name))]


def test_both_readmes_have_the_same_code() -> None:
    english, chinese = map(blocks, READMES)
    assert english == chinese
    assert len(english) >= 5


def test_both_readmes_have_the_same_parts_and_lead_to_the_same_pages() -> None:
    english, chinese = (
        (
            len(re.findall(r"^#+ |^- ", text(name), re.MULTILINE)),
            re.findall(r"\]\(((?!README)[^)]+)\)", text(name)),
        )
        for name in READMES
    )
    assert english == chinese


@pytest.mark.parametrize("name", READMES)
def test_the_commands_of_a_readme_are_ones_that_there_are(name: str) -> None:
    targets = re.findall(r"^([a-z-]+):", text("Makefile"), re.MULTILINE)
    named = re.findall(r"^ {4}make ([a-z-]+)", text(name), re.MULTILINE)
    assert len(named) == 2
    assert set(named) <= set(targets)
    page = text("docs/how-to/deploy.md")
    assert [
        line for line in re.findall(r"^ {4}docker .*$", text(name), re.MULTILINE) if line not in page
    ] == []


@pytest.mark.parametrize("name", READMES)
def test_the_story_of_a_readme_is_the_one_that_the_demo_plays(name: str) -> None:
    bodies = re.findall(r"^ {4}(\{.*?\})", text(name), re.MULTILINE)
    assert json.loads(bodies[0]) == INVOICE
    assert f"/invoices/{INVOICE['id']}\n" in text(name)
    event, answer = bodies[1], re.findall(r"-> +(\{.*\})", text(name))[0]
    steps = text("packages/invoices/tests/acceptance/test_demo.py")
    assert repr(event) in steps
    assert repr(answer) in steps


@pytest.mark.parametrize("name", READMES)
def test_a_readme_shows_the_pictures_that_are_made_for_it(name: str) -> None:
    shown = re.findall(r"!\[[^\]]+\]\(docs/images/([\w-]+)\.png\)", text(name))
    assert sorted(shown) == sorted(SHOWN)
    pictures = sorted((ROOT / "docs/images").iterdir())
    assert [path.stem for path in pictures] == sorted(SHOWN)
    assert all(path.stat().st_size < MOST_BYTES for path in pictures)
