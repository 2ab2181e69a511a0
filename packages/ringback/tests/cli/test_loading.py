"""Apps that are named, and what is said of those that cannot be loaded."""

from pathlib import Path
from typing import Any

import pytest

Run = Any
Books = Any


@pytest.mark.parametrize(
    ("name", "code", "says"),
    [
        ("nosuch:app", 1, "There is no module 'nosuch'"),
        ("shop:nosuch", 1, "'shop' has no 'nosuch'"),
        ("shop:create_app", 1, "add --factory"),
        ("shop:without_ringback", 1, "Add `Ringback(app)`"),
        ("shop:Invoice", 1, "is a"),
        ("shop.py:app", 2, "Write it as module:app"),
        ("./shop:app", 2, "Write it as module:app"),
        (":app", 2, "Write it as module:app"),
        ("shop:", 2, "Write it as module:app"),
    ],
)
def test_a_name_that_leads_nowhere(run: Run, sqlite_shop: Books, name: str, code: int, says: str) -> None:
    ran = run("deliveries", "list", "--app", name)
    assert ran.code == code
    assert says in ran.words


def test_the_variable_app_is_meant_where_only_a_module_is_named(run: Run, sqlite_shop: Books) -> None:
    assert run("deliveries", "list", "--app", "shop").code == 0


def test_a_factory_is_called_when_the_option_says_so(run: Run, sqlite_shop: Books) -> None:
    assert run("deliveries", "list", "--app", "shop:create_app", "--factory").code == 0
    ran = run("deliveries", "list", "--app", "shop:app.state", "--factory")
    assert ran.code == 1
    assert "drop --factory" in ran.err


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("import nosuch_library", "No module named 'nosuch_library'"),
        ("settings = {}\nsettings['DATABASE_URL']", "KeyError"),
        ("def broken(:", "SyntaxError"),
        (
            "from ringback import RingbackError\nraise RingbackError('Say which database.')",
            "Say which database.",
        ),
    ],
)
def test_a_module_that_breaks_is_told_with_its_place(run: Run, source: str, says: str) -> None:
    Path("breaking.py").write_text(source)
    ran = run("deliveries", "list", "--app", "breaking:app")
    assert ran.code == 1
    assert says in ran.err
    assert "breaking.py" in ran.err or "RingbackError" in source
    assert "importlib" not in ran.err


def test_a_factory_that_breaks_is_told_with_its_place(run: Run) -> None:
    Path("breaking_factory.py").write_text("def make():\n    return 1 / 0\n")
    ran = run("deliveries", "list", "--app", "breaking_factory:make", "--factory")
    assert ran.code == 1
    assert "ZeroDivisionError" in ran.err
    assert "breaking_factory.py:2" in ran.err


def test_a_declaration_that_cannot_be_kept_is_told_by_the_doctor(run: Run, tmp_path: Path) -> None:
    Path("wrong.py").write_text(
        "from fastapi import APIRouter, FastAPI\n"
        "from ringback import Ringback\n"
        "router = APIRouter()\n"
        "@router.post('{$nonsense..}/x')\n"
        "def told(): ...\n"
        "app = FastAPI()\n"
        "@app.post('/', callbacks=router.routes)\n"
        "def make(): ...\n"
        f"Ringback(app, database='sqlite:///{tmp_path}/wrong.db')\n"
    )
    run("migrate", "wrong:app")
    ran = run("doctor", "wrong:app")
    assert ran.code == 1
    assert "✗ problem contracts" in ran.words
    assert "wrong.py" in ran.out
