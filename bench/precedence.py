"""Who runs where and before whom: one core for the process under test, the other for what surrounds it."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def take_the_other_core() -> None:
    """Leave the first core to the process under test; this process and what it starts take the second.

    Where the system allows it they also go before other programs, so that a busy machine disturbs less.
    """
    if hasattr(os, "sched_setaffinity") and len(os.sched_getaffinity(0)) > 1:
        os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[1]})
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, -20)
    go_first("self")


@contextmanager
def children_go_first(process: int) -> Iterator[None]:
    """The same for every child of a process while the block runs: PostgreSQL makes each one a session."""
    stop = threading.Event()

    def watch() -> None:
        seen: set[str] = set()
        while not stop.wait(0.05):
            with suppress(OSError):
                children = set(Path(f"/proc/{process}/task/{process}/children").read_text("ascii").split())
                for child in children - seen:
                    go_first(child)
                seen = children

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        stop.set()
        watcher.join()


def go_first(process: str) -> None:
    """Let the session of a process go first; each session of Linux has a share of its own."""
    with suppress(OSError):
        Path(f"/proc/{process}/autogroup").write_text("-15", encoding="ascii")
