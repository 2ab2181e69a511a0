"""The Dockerfile, the compose file and the units name only what there is, and take no more than they need."""

import importlib
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
from testkit.deployment import (
    ROOT,
    compose,
    image,
    names_in_the_example,
    settings_of_the_example,
    units,
    words,
)
from testkit.serving import served

from invoices.app import create_app
from invoices.cli import app as invoices_command
from invoices.settings import Settings
from ringback.cli import app as ringback_command

PROGRAMS = {"invoices": invoices_command, "ringback": ringback_command}
NAMES = {
    name: typer.main.get_command(app).list_commands(None)  # type: ignore[attr-defined]
    for name, app in PROGRAMS.items()
}
PAGES = ("deploy", "back-up-and-restore", "upgrade")
FILLED = {"POSTGRES_PASSWORD": "0a1b"}
OURS = ("migrate", "service", "worker")
FILES = [
    ROOT / "Dockerfile",
    ROOT / "compose.yaml",
    ROOT / ".env.example",
    *sorted((ROOT / "deploy").rglob("*.*")),
    *(ROOT / "docs/how-to" / f"{name}.md" for name in PAGES),
]


def commands() -> list[list[str]]:
    """Every command line that one of the files starts a program of ours with."""
    found = [words(rest) for name, rest in image() if name == "CMD"]
    services = compose(FILLED)["services"]
    found += [services[name]["command"] for name in OURS if "command" in services[name]]
    for _, lines in units():
        found += [given.split() for _, key, given in lines if key.startswith("ExecStart")]
    return [[Path(command[0]).name, *command[1:]] for command in found]


def commands_of_the_pages() -> list[list[str]]:
    """Every command line of ours in the pages for operators, without what a shell would take away."""
    found = []
    for name in PAGES:
        text = (ROOT / "docs/how-to" / f"{name}.md").read_text(encoding="utf-8").replace("\\\n", "")
        spans = re.findall(
            r"`((?:invoices|ringback) [^` ]+ [^`]+)`", text
        )  # a lone `ringback lint` is a name
        blocks = re.findall(r"^ {4}(?:.* |.*/)??((?:invoices|ringback) .+)$", text, re.MULTILINE)
        found += [shlex.split(re.sub(r"\s+#.*", "", line)) for line in [*spans, *blocks]]
    return [command for command in found if command[1:] and command[1] in NAMES[command[0]]]


def parse(command: Any, name: str, arguments: list[str]) -> None:
    """Read a command line as the program would; raises on a command or an option that there is not."""
    while hasattr(command, "list_commands"):
        context = command.context_class(command, info_name=name)
        name, *arguments = arguments
        assert name in command.list_commands(context), name
        command = command.get_command(context, name)
    command.make_context(name, arguments)


@pytest.mark.parametrize("command", [*commands(), *commands_of_the_pages()], ids=" ".join)
def test_every_command_is_one_that_there_is(command: list[str]) -> None:
    program, *arguments = command
    parse(typer.main.get_command(PROGRAMS[program]), program, arguments)
    if "--factory" in arguments:
        (module, name), *_ = (word.split(":") for word in arguments if word.startswith("invoices."))
        assert callable(getattr(importlib.import_module(module), name))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_setting_that_is_named_is_one_that_there_is(path: Path) -> None:
    named = set(re.findall(r"\bINVOICES_[A-Z0-9_]+\b", path.read_text(encoding="utf-8")))
    assert named <= {f"INVOICES_{name.upper()}" for name in Settings.model_fields}


def test_the_example_is_enough_once_its_secrets_are_filled_in(monkeypatch: pytest.MonkeyPatch) -> None:
    given = settings_of_the_example()
    assert [name for name, value in given.items() if not value] == [
        "INVOICES_SECRET_KEY",
        "POSTGRES_PASSWORD",
    ]
    for name, value in given.items():
        monkeypatch.setenv(name, value or 32 * "0a")
    assert Settings().payments == "sandbox"


def test_every_variable_of_the_compose_file_is_in_the_example() -> None:
    used = set(re.findall(r"\$\{(\w+)", (ROOT / "compose.yaml").read_text(encoding="utf-8")))
    assert used - names_in_the_example() == {"IMAGE_TAG"}


def test_nothing_is_started_without_a_password_for_the_database() -> None:
    with pytest.raises(KeyError, match="POSTGRES_PASSWORD"):
        compose({})


def test_what_containers_wait_for_and_keep_is_there() -> None:
    described = compose(FILLED)
    for service in described["services"].values():
        for needed, condition in service.get("depends_on", {}).items():
            other = described["services"][needed]
            if condition["condition"] == "service_completed_successfully":
                assert other["restart"] == "no"
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in described["volumes"] or (ROOT / source).exists(), volume


def test_our_containers_can_write_to_their_volume_and_nowhere_else() -> None:
    services = compose(FILLED)["services"]
    for name in OURS:
        service = services[name]
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
        assert service["volumes"] == ["data:/data"]
    assert "ports" not in services["postgres"]
    assert services["service"]["ports"] == ["127.0.0.1:8000:8000"]
    assert [rest for name, rest in image() if name == "USER"] == ["10001:10001"]


async def test_the_probe_asks_for_a_page_that_there_is(tmp_path: Path) -> None:
    (probe,) = (rest for name, rest in image() if name == "HEALTHCHECK")
    (path,) = re.findall(r"'GET', '([^']+)'", probe)
    app = create_app(Settings(data_dir=tmp_path))
    async with served(app, lifespan="on") as url, httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(url + path)).status_code == 200


def test_what_the_image_is_made_of_is_there_and_not_ignored() -> None:
    allowed = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(encoding="utf-8"), re.MULTILINE)
    for name, rest in image():
        if name == "COPY" and "--from" not in rest:
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists(), source
                assert any(Path(source).match(pattern) for pattern in allowed), source


@pytest.mark.parametrize(("name", "lines"), list(units()), ids=lambda given: given if "@" in given else "")
def test_a_unit_is_one_that_systemd_takes(name: str, lines: Any, tmp_path: Path) -> None:
    settings = {key: given for _, key, given in lines}
    assert {section for section, _, _ in lines} == {"Unit", "Service", "Install"}
    assert (settings["User"], settings["ProtectSystem"], settings["NoNewPrivileges"]) == (
        "invoices",
        "strict",
        "yes",
    )
    if shutil.which("systemd-analyze"):
        text = (ROOT / "deploy/systemd" / name).read_text(encoding="utf-8")
        unit = tmp_path / name.replace("@", "@1")
        unit.write_text(text.replace("/opt/invoices/bin", str(Path(sys.executable).parent)))
        said = subprocess.run(
            ["systemd-analyze", "verify", str(unit)], check=False, capture_output=True, text=True, timeout=30
        )
        assert unit.name not in said.stderr, said.stderr


def test_the_worker_and_the_service_are_shut_in_alike() -> None:
    both = dict(units())
    hardening = [
        {line for line in lines if line[1].startswith(("Protect", "Private", "Restrict", "System", "Cap"))}
        for lines in both.values()
    ]
    assert len(hardening) == 2
    assert hardening[0] == hardening[1]
