"""SECURITY.md: every threat has its row, and every test that a row names is there."""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]
PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| (t\d\d) \| (.+?) \| (.+?) \| (.+) \|$", re.MULTILINE)
NODE = re.compile(r"`([\w/]+\.py)::(test_\w+)`")


@cache
def names_in(path: str) -> set[str]:
    file = ROOT / path if path.startswith("testkit") else ROOT / "packages" / path
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_threat_has_a_row_in_order() -> None:
    assert [number for number, *_ in ROW.findall(PAGE)] == [f"t{n:02}" for n in range(1, 45)]


def test_every_row_names_a_test_and_every_test_that_it_names_exists() -> None:
    missing = []
    for number, _threat, _defence, shown_by in ROW.findall(PAGE):
        nodes = NODE.findall(shown_by)
        assert nodes, number
        missing += [f"{path}::{name}" for path, name in nodes if name not in names_in(path)]
    assert missing == []


def test_a_test_that_is_named_after_threats_stands_in_their_rows_alone() -> None:
    wrong = []
    for number, _threat, _defence, shown_by in ROW.findall(PAGE):
        for path, name in NODE.findall(shown_by):
            named_after = re.findall(r"(?<=_)t\d\d(?=_)", name)
            if named_after and number not in named_after:
                wrong.append((number, f"{path}::{name}"))
    assert wrong == []
