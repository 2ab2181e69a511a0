"""A witness of every connect that code of this process attempts; while it looks, none gets through."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["Connects", "recorded_connects"]

Connects = list[tuple[str, int]]

_recording: Connects | None = None
_installed = False


def _witness(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect" and _recording is not None:
        address, port = arguments[1][:2]
        _recording.append((address, port))
        raise PermissionError(1, "no connection leaves this test")


@contextmanager
def recorded_connects() -> Iterator[Connects]:
    """Yield the list that grows by (address, port) with every attempt to connect; each attempt fails."""
    global _recording, _installed  # noqa: PLW0603 - an audit hook is the process's, and stays for good
    if not _installed:
        sys.addaudithook(_witness)
        _installed = True
    _recording = []
    try:
        yield _recording
    finally:
        _recording = None
