"""Starts processes of a program in no time: each is forked from one that has imported everything already.

    python -m testkit.forking PROGRAM.py

reads a JSON line ``{"function": ..., "arguments": {...}, "log": FILE}`` for each process, which runs that
function of the program, and writes JSON lines: ``{"started": PID}``, ``{"pid": PID, "said": ...}`` for what
the process said with `say`, ``{"pid": PID, "ended": CODE}``, where a negative code is a signal.
"""

import asyncio
import json
import os
import runpy
import select
import signal
import sys
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Forked", "Forker", "running_forker", "say"]

ROOT = Path(__file__).resolve().parents[1]


# --- the test's side ----------------------------------------------------------------------------------------


@dataclass
class Forked:
    """A real process of the program."""

    pid: int
    log: Path
    said: asyncio.Queue[Any] = field(default_factory=asyncio.Queue)
    ended: asyncio.Future[int] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    async def word(self, timeout: float = 30.0) -> Any:
        """What it says next; an error with its log if it ends before."""
        async with asyncio.timeout(timeout):
            saying = asyncio.ensure_future(self.said.get())
            await asyncio.wait([saying, self.ended], return_when=asyncio.FIRST_COMPLETED)
            if saying.done():
                return saying.result()
            saying.cancel()
            raise AssertionError(f"process {self.pid} ended with {self.ended.result()}:\n{self.log_text()}")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        with suppress(ProcessLookupError):
            if not self.ended.done():
                os.kill(self.pid, number)

    async def end(self, timeout: float = 30.0) -> int:
        """Wait for its end; the exit code, or the signal as a negative number."""
        async with asyncio.timeout(timeout):
            return await asyncio.shield(self.ended)

    def log_text(self) -> str:
        """The end of what it wrote on standard output and error."""
        return self.log.read_text(errors="replace")[-6000:] if self.log.exists() else "(no log)"


class Forker:
    """Forks processes of one program and learns of their ends."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path) -> None:
        self._process = process
        self._folder = folder
        self._started: asyncio.Queue[int] = asyncio.Queue()
        self._one_at_a_time = asyncio.Lock()
        self._alive: dict[int, Forked] = {}
        self._early: list[dict[str, Any]] = []
        self._count = 0

    async def fork(self, function: str, **arguments: Any) -> Forked:
        """Run a function of the program in a process of its own."""
        assert self._process.stdin is not None
        async with self._one_at_a_time:
            self._count += 1
            log = self._folder / f"process-{self._count}.log"
            order = {"function": function, "arguments": arguments, "log": str(log)}
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            pid = await self._next_start()
            forked = self._alive[pid] = Forked(pid, log)
            early, self._early = self._early, []
            for event in early:
                self._tell(event)
            return forked

    async def _next_start(self) -> int:
        started = asyncio.ensure_future(self._started.get())
        gone = asyncio.ensure_future(self._process.wait())
        await asyncio.wait([started, gone], return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        if not started.done():
            started.cancel()
            raise RuntimeError("the forker ended; what it printed says why")
        return started.result()

    async def listen(self) -> None:
        """Hear of starts, words and ends until the forker ends."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            event = json.loads(line)
            if "started" in event:
                self._started.put_nowait(event["started"])
            else:
                self._tell(event)

    def _tell(self, event: dict[str, Any]) -> None:
        forked = self._alive.get(event["pid"])
        if forked is None:  # it was faster than the news of its start
            self._early.append(event)
        elif "ended" in event:
            forked.ended.set_result(event["ended"])
            del self._alive[event["pid"]]
        else:
            forked.said.put_nowait(event["said"])

    async def end_all(self) -> None:
        """Kill what still runs."""
        for forked in list(self._alive.values()):
            forked.signal(signal.SIGCONT)
            forked.signal(signal.SIGKILL)
            await forked.end()


@asynccontextmanager
async def running_forker(program: Path, folder: Path) -> AsyncIterator[Forker]:
    """Yield a forker of `program`; logs go into `folder`. Kills at the end what still runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "testkit.forking", str(program), cwd=ROOT, limit=1 << 20,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    forker = Forker(process, folder)
    listening = asyncio.create_task(forker.listen())
    try:
        yield forker
        await forker.end_all()
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()
        await listening


# --- the forked process's side ------------------------------------------------------------------------------


def say(word: Any) -> None:
    """Tell the test something, any JSON value; one line, so that lines of several processes never mix."""
    news = int(os.environ[_NEWS])
    os.write(news, json.dumps({"pid": os.getpid(), "said": word}).encode() + b"\n")


# --- between the two ----------------------------------------------------------------------------------------

_NEWS = "TESTKIT_FORKING_NEWS"
_children: set[int] = set()


def _main(path: str) -> None:
    program = runpy.run_path(path, run_name="program")
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    unread = b""
    while True:
        ready, _, _ = select.select([0, reading], [], [])
        if reading in ready:
            os.read(reading, 512)
            _report_ends()
        if 0 in ready:
            chunk = os.read(0, 65536)
            if not chunk:  # the test is over, or was ended itself
                for pid in _children:
                    os.kill(pid, signal.SIGKILL)
                return
            *lines, unread = (unread + chunk).split(b"\n")
            for line in lines:
                _fork(program, json.loads(line))


def _report_ends() -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        _children.discard(pid)
        _write({"pid": pid, "ended": os.waitstatus_to_exitcode(status)})


def _fork(program: dict[str, Any], order: dict[str, Any]) -> None:
    pid = os.fork()
    if pid:
        _children.add(pid)
        _write({"started": pid})
        return
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.environ[_NEWS] = str(os.dup(1))
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(log, 1)
        os.dup2(log, 2)
        program[order["function"]](**order["arguments"])
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _write(news: dict[str, Any]) -> None:
    os.write(1, json.dumps(news).encode() + b"\n")


if __name__ == "__main__":
    _main(sys.argv[1])
