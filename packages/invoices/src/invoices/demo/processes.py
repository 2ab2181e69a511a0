"""The real processes of the demo: started, watched, and ended in order."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Child", "ProcessFailed", "child", "environment", "free_port", "run_json"]

_GRACE_SECONDS = 10.0


class ProcessFailed(Exception):
    """A process ended, or did not do what it should; the text has the end of its log."""


@dataclass(frozen=True, slots=True)
class Child:
    """A running process. What it writes to standard error is in `log`; standard output may be read here."""

    name: str
    process: asyncio.subprocess.Process
    log: Path

    async def next_line(self) -> dict[str, Any]:
        """The next line of JSON that it prints; raises `ProcessFailed` when it prints no more."""
        assert self.process.stdout is not None, "started with its output piped"
        while line := await self.process.stdout.readline():
            if line.startswith(b"{"):
                told: dict[str, Any] = json.loads(line)
                return told
        await self.process.wait()
        raise self.ended()

    def ended(self) -> ProcessFailed:
        """That it ended, with its last words."""
        return ProcessFailed(f"{self.name} ended with exit code {self.process.returncode}\n{self.tail()}")

    def tail(self, lines: int = 20) -> str:
        """The end of its log."""
        text = self.log.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])


@asynccontextmanager
async def child(
    name: str, arguments: list[str], variables: Mapping[str, str], log: Path, *, speaks: bool = False
) -> AsyncIterator[Child]:
    """Run ``python ARGUMENTS`` while the block runs. It is ended politely, and after a while not so.

    What it prints is read by `Child.next_line` if it `speaks`, and is part of its log if not.
    """
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            env=dict(variables),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE if speaks else file,
            stderr=file,
            # Ctrl-C belongs to the demo, which ends its processes in order.
            start_new_session=True,
        )
    try:
        yield Child(name, process, log)
    finally:
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
    try:
        # Reads what is left, so that a full pipe does not keep it from ending.
        await asyncio.wait_for(process.communicate(), _GRACE_SECONDS)
    except TimeoutError:
        process.kill()
        await process.communicate()


async def run_json(arguments: list[str], variables: Mapping[str, str]) -> dict[str, Any]:
    """What ``python ARGUMENTS`` prints, read as JSON; raises `ProcessFailed` where it fails."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        env=dict(variables),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    output, errors = await process.communicate()
    if process.returncode != 0:
        raise ProcessFailed(f"`{' '.join(arguments)}` failed\n{errors.decode(errors='replace')}")
    told: dict[str, Any] = json.loads(output)
    return told


def environment(**settings: str) -> dict[str, str]:
    """This process's variables with these settings, and no other settings of the service."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("INVOICES_")}
    return {**kept, **settings, "PYTHONUNBUFFERED": "1"}


def free_port(wished: int) -> int:
    """The wished port of this machine, or another one where it is taken."""
    for port in (wished, 0):
        try:
            with socket.create_server(("127.0.0.1", port)) as listener:
                found: int = listener.getsockname()[1]
                return found
        except OSError:
            continue
    raise ProcessFailed("no port of this machine is free")
