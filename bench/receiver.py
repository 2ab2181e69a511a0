"""The receiver: nginx that answers every request at once with what the contract declares."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_CONFIGURATION = """
daemon off;
worker_processes 1;
worker_rlimit_nofile 65536;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 32768; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 600;
  client_body_buffer_size 64k;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 0.0.0.0:{port} backlog=16384;  # all of 127.0.0.0/8: each address is a destination of its own
    allow 127.0.0.0/8;
    deny all;
    location / {{ default_type application/json; return 200 '{{"ok":true}}'; }}
  }}
}}
"""


@contextmanager
def nginx(folder: Path) -> Iterator[str]:
    """Run nginx while the block runs; yields its base URL."""
    program = find("nginx", "nginx")
    port = free_port()
    configuration = folder / "nginx.conf"
    configuration.write_text(_CONFIGURATION.format(folder=folder, port=port), encoding="ascii")
    process = subprocess.Popen([program, "-c", configuration, "-p", folder, "-e", folder / "error.log"])
    try:
        until_open(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def find(program: str, package: str) -> str:
    """Where a program is; Debian keeps servers out of a user's PATH."""
    path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")
    if path is None:
        raise SystemExit(
            f"{program} was not found. Install it (Debian: apt-get install {package}), then try again."
        )
    return path


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def until_open(port: int, seconds: float = 10.0) -> None:
    """Wait until somebody listens."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise SystemExit(f"Nothing listens on port {port} after {seconds:g} s.")
