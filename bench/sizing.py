"""``python -m bench.sizing``: what one, two and four workers deliver, and what that costs them.

The rows of the table in `docs/how-to/run-many-machines.md`. The worker's own CPU time for each delivery is
there too: unlike the rate, it hardly depends on what else the machine does meanwhile.
"""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from bench.catalogue import Subject
from bench.given import Given
from bench.seeding import seed
from bench.surroundings import Surroundings
from bench.workers import workers

_ENDED: Final = text("SELECT count(*) FROM ringback_deliveries WHERE finished_at IS NOT NULL")
_SEEN: Final = text("SELECT count(DISTINCT worker) FROM ringback_attempts")
_PLACES: Final = 16
_TICKS: Final = os.sysconf("SC_CLK_TCK")

console = Console()


@dataclass(frozen=True)
class Row:
    """One line: so many workers on this database, before receivers that take so many milliseconds."""

    database: str
    workers: int
    latency: int


ROWS: Final = (
    Row("sqlite", 1, 0), Row("sqlite", 1, 50),
    *(Row("postgresql", count, latency) for count in (1, 2, 4) for latency in (0, 50)),
)  # fmt: skip


def main(
    seconds: Annotated[float, typer.Option(help="How long each is looked at.")] = 6.0,
    deliveries: Annotated[int, typer.Option(help="How many are due for each worker.")] = 100_000,
    in_memory: Annotated[bool, typer.Option("--in-memory", help="Databases in memory.")] = False,
) -> None:
    """Measure each row and print the table."""
    table = Table(caption=f"{_PLACES} destinations, 16 requests side by side to each")
    for title in ("database", "workers", "receivers take", "deliveries/s", "CPU of a worker", "memory"):
        table.add_column(title, justify="right")
    with Surroundings(on_disk=not in_memory) as surroundings:
        for row in ROWS:
            needs = ("nginx", "paced", row.database)
            subject = Subject("sizing", "sizing", "", 1, needs, concurrency=256)
            rate, cost, memory = asyncio.run(
                _measure(row, surroundings.given(subject, row.workers * deliveries), seconds)
            )
            table.add_row(
                row.database, str(row.workers), f"{row.latency} ms", f"{rate:,.0f}", f"{cost * 1000:.2f} ms",
                f"{memory / 1e6:.0f} MB",
            )  # fmt: skip
            figures = f"{rate:,.0f}/s, {cost * 1000:.3f} ms each, {memory / 1e6:.0f} MB"
            console.print(f"{row}: {figures}", highlight=False)
    console.print(table)


async def _measure(row: Row, given: Given, seconds: float) -> tuple[float, float, float]:
    """Deliveries a second in all, CPU seconds of the workers for each, and the most memory of one."""
    base = f"{given.paced}/after/{row.latency}" if row.latency else f"{given.receiver}/events"
    await seed(given.database, given.deliveries, base, places=_PLACES)
    engine = create_async_engine(given.database)
    async with workers(given, row.workers):
        while await _count(engine, _SEEN) < row.workers:  # noqa: ASYNC110 - only the database knows
            await asyncio.sleep(0.5)
        await asyncio.sleep(1.0)
        ended, used = await _count(engine, _ENDED), _cpu_seconds()
        began = asyncio.get_running_loop().time()
        await asyncio.sleep(seconds)
        done = await _count(engine, _ENDED) - ended
        took, used = asyncio.get_running_loop().time() - began, _cpu_seconds() - used
        memory = max(_most_memory(pid) for pid in _worker_pids())
    await engine.dispose()
    assert done > 0, "nothing was delivered"
    return done / took, used / done, memory


async def _count(engine: AsyncEngine, query: object) -> int:
    async with engine.connect() as connection:
        return int((await connection.execute(query)).scalar_one())  # type: ignore[call-overload]


def _worker_pids() -> list[int]:
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii").split()
    return [int(pid) for pid in children if b"bench.worker_app" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def _cpu_seconds() -> float:
    ticks = 0
    for pid in _worker_pids():
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICKS


def _most_memory(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(1024.0 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    typer.run(main)
