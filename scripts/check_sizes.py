"""Holds the size budget: a file or function that outgrows it holds two ideas, or an unclear one."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

FILE_LINES = 300
TEST_FILE_LINES = 500
FUNCTION_LINES = 40

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


def main() -> int:
    """Print what is over budget; return 1 if anything is."""
    root = Path(__file__).resolve().parent.parent
    listed = ("git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py")
    output = subprocess.run(listed, cwd=root, check=True, capture_output=True, text=True).stdout  # noqa: S603
    names = output.splitlines()
    findings = [finding for name in names if (root / name).exists() for finding in _over(root, name)]
    for finding in findings:
        print(finding)
    print(f"{len(names)} files, {len(findings)} over the size budget")
    return 1 if findings else 0


def _over(root: Path, name: str) -> Iterator[str]:
    text = (root / name).read_text(encoding="utf-8")
    is_test = "tests" in Path(name).parts
    limit = TEST_FILE_LINES if is_test else FILE_LINES
    lines = text.count("\n")
    if lines > limit:
        yield f"{name}: {lines} lines, the limit is {limit}; split it by what its parts are about"
    if is_test or "versions" in Path(name).parts:  # a migration is a list of statements, not a thought
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, FunctionNode) and (size := _lines(node)) > FUNCTION_LINES:
            yield f"{name}:{node.lineno}: {node.name} has {size} lines, the limit is {FUNCTION_LINES}"


def _lines(node: FunctionNode) -> int:
    # The signature and the docstring are for the reader who does not read the body: they are free.
    body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
    return (node.end_lineno or node.lineno) - body[0].lineno + 1 if body else 0


if __name__ == "__main__":
    sys.exit(main())
