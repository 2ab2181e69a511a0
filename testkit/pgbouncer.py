"""A real PgBouncer in transaction mode, in front of a database of the tests."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import make_url

__all__ = ["pooled"]

_SETTINGS = """
[databases]
* = host={host} port={port} user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own_port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 4
max_client_conn = 100
ignore_startup_parameters = extra_float_digits,jit,options
logfile = {folder}/log
pidfile = {folder}/pid
"""


@contextmanager
def pooled(url: str) -> Iterator[str]:
    """Yield the URL that leads to the database of `url` through four pooled server connections."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        raise RuntimeError("PgBouncer is needed here: `apt-get install pgbouncer`, or run `make test-long`")
    behind = make_url(url)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        own_port: int = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="ringback-pooler-") as name:
        folder = Path(name)
        (folder / "ini").write_text(
            _SETTINGS.format(
                host=behind.host, port=behind.port, user=behind.username, own_port=own_port, folder=folder
            ),
            encoding="utf-8",
        )
        as_nobody: dict[str, Any] = {}
        if os.geteuid() == 0:
            shutil.chown(folder, "nobody")
            as_nobody = {"user": "nobody", "extra_groups": []}
        process = subprocess.Popen(  # noqa: S603 - the command is ours
            [program, "-q", folder / "ini"], stderr=subprocess.DEVNULL, **as_nobody
        )
        try:
            _wait_for(own_port, process, folder / "log")
            yield behind.set(port=own_port).render_as_string(hide_password=False)
        finally:
            process.terminate()
            process.wait(timeout=10)


def _wait_for(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(200):
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            break
        time.sleep(0.02)
    raise RuntimeError(f"PgBouncer did not start: {log.read_text() if log.exists() else 'it left no log'}")
