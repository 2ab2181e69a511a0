"""A scaffolded project is good code, runs as it is, and does what ``ringback check`` asks."""

import asyncio
import json
import os
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
QUALITY = ("hostile", "tutorial", "specification", "awkward")
FILES = {
    *("receiver/__init__.py", "receiver/__main__.py", "receiver/app.py", "receiver/handlers.py"),
    *("receiver/models.py", "receiver/verification.py", "tests/__init__.py", "tests/conftest.py"),
    *("tests/test_callbacks.py", "pyproject.toml", "README.md", "Dockerfile", ".gitignore"),
}


@pytest.fixture
def awkward() -> dict[str, Any]:
    """Names that Python, Pydantic, the handlers or the generator use for something else."""
    document: dict[str, Any] = json.loads((Path(__file__).parent / "awkward-openapi.json").read_bytes())
    return document


def run(folder: Path, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},  # ours are not the project's
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.long) for n in QUALITY[1:]] + ["hostile"])
def test_the_code_is_linted_and_formatted_and_its_tests_pass(
    name: str, request: pytest.FixtureRequest, scaffolded: Make
) -> None:
    folder = scaffolded(request.getfixturevalue(name))
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == FILES
    run(folder, "ruff", "check", "--no-cache", ".")
    run(folder, "ruff", "format", "--check", "--no-cache", ".")
    run(folder, "pytest", "-q", "-p", "no:cacheprovider")


@pytest.mark.long
@pytest.mark.parametrize("name", QUALITY)
def test_the_code_is_typed(
    name: str, request: pytest.FixtureRequest, scaffolded: Make, tmp_path_factory: pytest.TempPathFactory
) -> None:
    cache = tmp_path_factory.getbasetemp() / "mypy"  # one for all projects: the libraries are the same
    run(scaffolded(request.getfixturevalue(name)), "mypy", "--strict", "--cache-dir", str(cache), ".")


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_every_callback_of_it_passes_every_check(
    name: str, request: pytest.FixtureRequest, scaffolded: Make, started: Any
) -> None:
    document = request.getfixturevalue(name)
    folder, secret = scaffolded(document), new_secret()
    async with started(folder, f"{secret} {new_secret()}") as url:
        callbacks = choose(document)
        reports = await asyncio.gather(
            *(
                check_receiver(url + base_of(one.name), document, one, secrets=[secret], timeout=60)
                for one in callbacks
            )
        )
    assert [(r.name, f.reason) for report in reports for r in report.results for f in r.flaws] == []
    assert all(len(report.results) > 25 for report in reports)


def base_of(callback: str) -> str:
    """What its README gives the provider as the callback's base URL."""
    bases = {"myCallback": "/query-url", "success": "/success-url"}
    return bases.get(callback, "/failure-url" if "failure" in callback else "")


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
