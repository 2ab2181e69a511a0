"""Where the tests keep their files: in memory, where there is room."""

import os
import shutil
from pathlib import Path

__all__ = ["memory_folder"]

_ROOM = 1 << 30


def memory_folder() -> str | None:
    """Return a folder that is kept in memory, or None where there is none with room to spare.

    Tests write a lot and keep nothing. Databases sync each commit to the disk, which takes them ten times as
    long as everything else; what these tests kill is processes, never the machine.
    """
    folder = Path("/dev/shm")  # noqa: S108 - whoever uses it makes a folder of its own inside
    if not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
        return None
    may_execute = not os.statvfs(folder).f_flag & os.ST_NOEXEC
    return str(folder) if may_execute and shutil.disk_usage(folder).free > _ROOM else None
