"""Reads what the project ships for servers: the Dockerfile, the compose file, systemd's units."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

__all__ = [
    "ROOT",
    "Unit",
    "compose",
    "image",
    "names_in_the_example",
    "settings_of_the_example",
    "units",
    "words",
]

ROOT = Path(__file__).resolve().parents[1]

Unit = list[tuple[str, str, str]]
"""The lines of a unit in their order: section, key, value."""


def image() -> list[tuple[str, str]]:
    """The Dockerfile's instructions, continued lines joined: name and the rest."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    joined = re.sub(r"\\\n\s*", " ", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE))
    return [tuple(line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]  # type: ignore[misc]


def words(value: str) -> list[str]:
    """A command of the Dockerfile in either form."""
    command: list[str] = json.loads(value) if value.startswith("[") else shlex.split(value)
    return command


def settings_of_the_example() -> dict[str, str]:
    """What .env.example sets as it stands."""
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    return dict(re.findall(r"^([A-Z_]+)=(.*)$", text, re.MULTILINE))


def names_in_the_example() -> set[str]:
    """What .env.example sets or mentions."""
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    return set(re.findall(r"^#?([A-Z_]+)=", text, re.MULTILINE))


def compose(variables: Mapping[str, str]) -> dict[str, Any]:
    """The compose file with these variables put in; a required one that is missing raises `KeyError`."""

    def value(found: re.Match[str]) -> str:
        name, kind, otherwise = found.groups()
        given = variables.get(name)
        return otherwise if kind == ":-" and not given else variables[name]

    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.safe_load(re.sub(r"\$\{(\w+)(?:(:[-?])([^}]*))?\}", value, text))
    return loaded


def units() -> Iterator[tuple[str, Unit]]:
    """systemd's units by name."""
    for path in sorted((ROOT / "deploy/systemd").iterdir()):
        lines, section = [], ""
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("["):
                section = line.strip("[]")
            elif line and not line.startswith("#"):
                key, _, given = line.partition("=")
                lines.append((section, key, given))
        yield path.name, lines
