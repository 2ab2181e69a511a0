"""What the process under test needs around it: receivers, databases, Redis; started at first need."""

import os
import secrets
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

from bench.catalogue import Subject
from bench.database import durable_server
from bench.given import Given
from bench.paced_receiver import paced
from bench.receiver import find, free_port, nginx, until_open


class Surroundings(ExitStack):
    """Starts each server once and stops them all at the end of the block.

    Databases are on the disk, where a flush is a flush; or in memory, for tuning beside a busy disk.
    """

    def __init__(self, *, on_disk: bool = True) -> None:
        super().__init__()
        self._place = "/var/tmp" if on_disk else "/dev/shm"
        self._running: dict[str, Any] = {}
        self._kept: dict[str, str] = {}
        self._folder = Path()

    def __enter__(self) -> Self:
        super().__enter__()
        # Secrets are sealed in the database as in production, with a key that need not be secret here.
        os.environ.setdefault("RINGBACK_KEY", "development")
        folder = tempfile.TemporaryDirectory(prefix="ringback-bench-", dir=self._place)
        self._folder = Path(self.enter_context(folder))
        self._folder.chmod(0o755)
        return self

    def given(self, subject: Subject, deliveries: int) -> Given:
        """Everything that `subject` asks for, with an empty database of its own (or its own kept one)."""
        folder = self._folder / (subject.name if subject.keeps else secrets.token_hex(4))
        folder.mkdir(exist_ok=True)
        values: dict[str, Any] = {"receiver": "", "folder": str(folder), "options": dict(subject.options)}
        if "nginx" in subject.needs:
            values["receiver"] = self._once("nginx", lambda: nginx(self._folder))
        if "paced" in subject.needs:
            values["paced"] = self._once("paced", paced)
        if "sqlite" in subject.needs:
            values["database"] = f"sqlite+aiosqlite:///{folder / 'bench.db'}"
        if "postgresql" in subject.needs:
            values["database"] = self._database(subject)
        if "redis" in subject.needs:
            values["redis"] = self._once("redis", lambda: _redis(self._folder))
        if "wrk" in subject.needs:
            find("wrk", "wrk")
        return Given(deliveries=deliveries, concurrency=subject.concurrency, **values)

    def _database(self, subject: Subject) -> str:
        server = self._once("postgresql", lambda: durable_server(self._place))
        if not subject.keeps:
            return str(server.create_database())
        if subject.name not in self._kept:
            self._kept[subject.name] = server.create_database()
        return self._kept[subject.name]

    def _once(self, name: str, start: Callable[[], AbstractContextManager[Any]]) -> Any:
        if name not in self._running:
            self._running[name] = self.enter_context(start())
        return self._running[name]


@contextmanager
def _redis(folder: Path) -> Any:
    port = free_port()
    # Nothing is written to the disk: the fastest that Redis can be.
    command = [find("redis-server", "redis-server"), "--port", str(port), "--bind", "127.0.0.1"]
    options = ["--save", "", "--appendonly", "no", "--dir", str(folder)]
    process = subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL)
    try:
        until_open(port)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait(10)
