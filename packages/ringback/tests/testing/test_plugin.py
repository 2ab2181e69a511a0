"""pytest finds the plugin by itself, and it costs nothing to those who do not use it."""

import subprocess
import sys
from pathlib import Path

TESTS = """
import sys


def test_nothing_is_loaded_before_a_fixture_is_asked_for():
    heavy = {"sqlalchemy", "fastapi", "jsonschema_rs", "pydantic", "httptools", "ringback.testing._clock"}
    assert not heavy & set(sys.modules)


def test_a_clock_without_any_import(ringback_clock):
    before = ringback_clock()
    ringback_clock.advance(5)
    assert ringback_clock() == before + 5
    assert "sqlalchemy" not in sys.modules


def test_receivers_without_any_import(ringback_receiver, ringback_receivers):
    assert ringback_receiver.url != ringback_receivers("500", "ok").url
    assert "sqlalchemy" not in sys.modules
"""


def test_the_fixtures_are_there_without_any_setting(tmp_path: Path) -> None:
    (tmp_path / "test_user.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    others = ["schemathesis", "hypothesispytest", "asyncio", "anyio", "cov", "playwright", "timeout"]
    off = [word for name in others for word in ("-p", f"no:{name}")]
    done = subprocess.run(
        [*command, *off], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert "3 passed" in done.stdout, done.stdout + done.stderr
