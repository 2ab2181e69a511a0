"""Both distributions as others get them: built, installed into a fresh environment, and used there."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from testkit.deployment import ROOT

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


def run(*command: str | Path, cwd: Path) -> str:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("INVOICES_", "RINGBACK_"))
    }
    variables = {**kept, "NO_COLOR": "1", "TMPDIR": str(cwd)}
    done = subprocess.run(
        command, cwd=cwd, env=variables, check=False, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The wheel of each package, built by way of its source distribution."""
    folder = tmp_path_factory.mktemp("wheels")
    run(ROOT / "scripts/uv", "build", "--quiet", "--all-packages", "--out-dir", folder, cwd=ROOT)
    assert len(list(folder.glob("*.tar.gz"))) == 2
    return sorted(folder.glob("*.whl"))


@pytest.mark.parametrize("package", ["ringback", "invoices"])
def test_a_wheel_has_every_file_of_its_package(wheels: list[Path], package: str) -> None:
    (wheel,) = (path for path in wheels if path.name.startswith(package))
    source = ROOT / "packages" / package / "src"
    files = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()}
    packed = zipfile.ZipFile(wheel).namelist()
    assert {name for name in files if "__pycache__" not in name} == {
        name for name in packed if ".dist-info/" not in name
    }
    assert f"{package}/py.typed" in packed


def test_they_work_where_nothing_else_is_installed(wheels: list[Path], tmp_path: Path) -> None:
    uv, environment = ROOT / "scripts/uv", tmp_path / "environment"
    run(uv, "venv", "--quiet", "--python", sys.executable, environment, cwd=ROOT)
    python, programs = environment / "bin/python", environment / "bin"
    run(uv, "pip", "install", "--quiet", "--python", python, *wheels, cwd=ROOT)

    assert "worker" in run(programs / "ringback", "--help", cwd=tmp_path)
    told = run(programs / "invoices", "demo", "--once", cwd=tmp_path)
    assert "The whole story worked." in told
    assert str(ROOT) not in run(
        python, "-c", "import invoices, ringback; print(invoices, ringback)", cwd=tmp_path
    )
