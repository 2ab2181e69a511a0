"""What the figures were measured on: processor, memory and versions; no names and no places."""

import os
import platform
import re
import sqlite3
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from testkit import postgresql

_PACKAGES = (
    "ringback", "fastapi", "sqlalchemy", "asyncpg", "aiosqlite", "httptools", "uvloop", "uvicorn", "aiohttp",
    "httpx", "pgqueuer", "procrastinate", "dbos", "celery", "redis", "requests",
)  # fmt: skip
_PROGRAMS = {"nginx": ["nginx", "-v"], "redis-server": ["redis-server", "--version"], "wrk": ["wrk", "-v"]}


def describe() -> dict[str, Any]:
    """Facts that let others judge the figures; `id` names this run."""
    return {
        "id": datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "busy_with_others": round(os.getloadavg()[0], 1),
        "versions": {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version, **_versions()},
    }


def _processor() -> str:
    try:
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()


def _versions() -> dict[str, str]:
    programs = {**_PROGRAMS, "postgresql": [*_postgres(), "--version"]}
    found = {name: text for name, command in programs.items() if (text := _asked(command))}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _postgres() -> list[str]:
    """The server that the databases run on, as the tests find it."""
    folder = next(postgresql._installed(), None)
    return ["postgres" if folder is None else str(folder / "postgres")]


def _asked(command: list[str]) -> str | None:
    environment = {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    except OSError:
        return None
    found = re.search(r"[0-9]+\.[0-9]+(\.[0-9]+)?", done.stdout + done.stderr)
    return found[0] if found else None
