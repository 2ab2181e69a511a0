"""A scaffolded project is good code, runs as it is, and does what ``ringback check`` asks."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ringback._signing import new_secret
from ringback.kit._declared import choose
from ringback.kit.check import check_receiver

Make = Callable[[dict[str, Any]], Path]
LIBRARY = Path(__file__).resolve().parents[3]
DOCUMENTS = ("tutorial", "specification", "hostile")
FILES = {
    *("receiver/__init__.py", "receiver/__main__.py", "receiver/app.py", "receiver/handlers.py"),
    *("receiver/models.py", "receiver/verification.py", "tests/__init__.py", "tests/conftest.py"),
    *("tests/test_callbacks.py", "pyproject.toml", "README.md", "Dockerfile", ".gitignore"),
}


def run(folder: Path, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "name", [*(pytest.param(n, marks=pytest.mark.long) for n in DOCUMENTS[:2]), "hostile"]
)
def test_the_code_is_typed_linted_and_formatted_and_its_tests_pass(
    name: str, request: pytest.FixtureRequest, scaffolded: Make, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = scaffolded(request.getfixturevalue(name))
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == FILES
    run(folder, "ruff", "check", "--no-cache", ".")
    run(folder, "ruff", "format", "--check", "--no-cache", ".")
    cache = tmp_path_factory.getbasetemp() / "mypy"  # one for all projects: the libraries are the same
    run(folder, "mypy", "--strict", "--cache-dir", str(cache), ".")
    run(folder, "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio")


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_every_callback_of_it_passes_every_check(
    name: str, request: pytest.FixtureRequest, scaffolded: Make, started: Any
) -> None:
    document = request.getfixturevalue(name)
    folder, secret = scaffolded(document), new_secret()
    bases = {"myCallback": "/query-url", "success": "/success-url"}
    async with started(folder, f"{secret} {new_secret()}") as url:
        for declared in choose(document):
            base = bases.get(declared.name, "/failure-url" if "failure" in declared.name else "")
            report = await check_receiver(f"{url}{base}", document, declared, secrets=[secret])
            assert [(r.name, f.reason) for r in report.results for f in r.flaws] == []
            assert len(report.results) > 25


def test_without_a_secret_it_says_what_to_set(scaffolded: Make, tutorial: dict[str, Any]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "receiver"],
        cwd=scaffolded(tutorial),
        env={},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Set WEBHOOK_SECRET")


@pytest.mark.long
@pytest.mark.timeout(400)
async def test_it_starts_with_uv_in_an_environment_of_its_own(
    scaffolded: Make, started: Any, tutorial: dict[str, Any]
) -> None:
    """With the library of this checkout, since none is published yet."""
    folder, secret = scaffolded(tutorial), new_secret()
    project = folder / "pyproject.toml"
    source = f'[tool.uv.sources]\nringback = {{ path = "{LIBRARY}" }}\n'
    project.write_text(f"{project.read_text()}\n{source}")
    uv = [str(LIBRARY.parents[1] / "scripts" / "uv"), "run", "--quiet"]
    tested = await asyncio.to_thread(
        subprocess.run, [*uv, "pytest", "-q"], cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert tested.returncode == 0, tested.stdout + tested.stderr
    async with started(folder, secret, *uv, "python") as url:
        [declared] = choose(tutorial)
        report = await check_receiver(url, tutorial, declared, secrets=[secret])
        assert [(r.name, f.reason) for r in report.results for f in r.flaws] == []
