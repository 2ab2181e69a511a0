"""Databases as they are in production: on the disk, and every commit flushed to it."""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
from testkit import postgresql

from bench.precedence import children_go_first

# The tests' server forgets on purpose; this one must not. Everything else is PostgreSQL's default.
_DURABLE = {"fsync": "on", "full_page_writes": "on"}


@contextmanager
def durable_server(place: str) -> Iterator[postgresql.Server]:
    """A PostgreSQL of our own with its files in `place`."""
    folder = Path(tempfile.mkdtemp(prefix="ringback-bench-pg-", dir=place))
    try:
        with contextmanager(postgresql._own_server)(folder) as server:
            asyncio.run(_make_durable(server))
            postmaster = int((folder / "data" / "postmaster.pid").read_text(encoding="ascii").split()[0])
            with children_go_first(postmaster):
                yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _make_durable(server: postgresql.Server) -> None:
    url = server.url.set(drivername="postgresql").render_as_string(hide_password=False)
    connection = await asyncpg.connect(url)
    for name, value in _DURABLE.items():
        await connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
    await connection.execute("SELECT pg_reload_conf()")
    while await connection.fetchval("SHOW fsync") != "on":  # noqa: ASYNC110 - only the server knows
        await asyncio.sleep(0.05)
    await connection.close()
