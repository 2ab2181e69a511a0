"""``python -m bench.retention``: whether the tables stay lean while much comes, is delivered, and is pruned.

A steady stream of deliveries is owed on PostgreSQL, at its defaults and on the disk: the first through the
public API, the others as copies of it. One worker delivers and deletes what ended some seconds ago. Every few
seconds PostgreSQL is asked how many rows are alive and dead, and how large tables and indexes are. What goes
on growing is not lean.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import asyncpg
import typer
from fastapi import FastAPI
from rich.console import Console
from rich.table import Table

from bench import machine
from bench.app import InvoiceEvent, invoice_notification, make_app
from bench.catalogue import Subject
from bench.given import EVENT, Given
from bench.surroundings import Surroundings
from ringback import Exchange, Ringback

RESULTS = Path(__file__).parent / "results" / "retention.json"
_TARGETS = 2000
_AT_ONCE = 25
_TABLES = ("ringback_deliveries", "ringback_messages", "ringback_attempts", "ringback_targets")
_COLUMNS = "SELECT attname FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0"
_NOW = "extract(epoch FROM clock_timestamp())"
_DIFFERENT = {
    "message_id": "substr(p.message_id, 1, 26) || lpad(n::text, 10, '0') || substr(p.message_id, 37)",
    "id": "added.id",
    "target_id": "numbered.id",
    "sequence": "numbered.sequence",
    "due_at": _NOW,
    "created_at": _NOW,
}
_SIZES = """
SELECT relname, n_live_tup, n_dead_tup, n_tup_ins, n_tup_upd, n_tup_hot_upd, n_tup_del, autovacuum_count,
       pg_table_size(relid) AS table_size, pg_indexes_size(relid) AS index_size
FROM pg_stat_user_tables WHERE relname = ANY($1)
"""

console = Console()


@dataclass(frozen=True)
class Look:
    """One look at the tables, so many seconds after the beginning; sizes are in bytes."""

    seconds: float
    owed: int
    delivered: int
    deleted: int
    open: int
    kept: int
    dead_rows: int
    table_size: int
    index_size: int
    vacuums: int
    tables: dict[str, dict[str, Any]]


def worker_app() -> FastAPI:
    """What ``ringback worker bench.retention:worker_app --factory`` runs."""
    app = FastAPI()
    retention = float(os.environ["BENCH_RETENTION"])
    make_app(app, database=os.environ["BENCH_DATABASE"], worker="external", retention=retention)
    return app


def main(
    seconds: Annotated[int, typer.Option(min=10, help="How long.")] = 180,
    rate: Annotated[int, typer.Option(min=1, help="Deliveries a second.")] = 1000,
    retention: Annotated[float, typer.Option(min=1, help="Seconds that what has ended is kept.")] = 20.0,
    every: Annotated[int, typer.Option(min=1, help="Seconds between looks.")] = 10,
    in_memory: Annotated[bool, typer.Option("--in-memory", help="The database in memory; not kept.")] = False,
    alter: Annotated[list[str] | None, typer.Option(help="SQL to run first, for tuning; not kept.")] = None,
) -> None:
    """Hold a rate for a while with pruning on, and show how large the tables are."""
    subject = Subject("retention", "a steady stream, pruned", "ringback", 1, needs=("nginx", "postgresql"))
    with Surroundings(on_disk=not in_memory) as surroundings:
        given = surroundings.given(subject, 0)
        given.options["alter"] = alter or []
        looks = asyncio.run(_hold(given, seconds=seconds, rate=rate, retention=retention, every=every))
    console.print(_table(looks, f"{rate:,}/s for {seconds} s, kept for {retention:g} s"))
    for name, table in looks[-1].tables.items():
        hot = table["n_tup_hot_upd"] / max(table["n_tup_upd"], 1)
        sizes = f"{table['table_size'] / 1e6:.1f} + {table['index_size'] / 1e6:.1f} MB"
        console.print(f"{name}: {sizes}, {hot:.0%} of the updates left the indexes alone", highlight=False)
    if not in_memory and not alter:
        facts = {"machine": machine.describe(), "rate": rate, "retention": retention}
        RESULTS.write_text(json.dumps(facts | {"looks": [asdict(look) for look in looks]}, indent=1) + "\n")


async def _hold(given: Given, *, seconds: int, rate: int, retention: float, every: int) -> list[Look]:
    ringback = make_app(database=given.database, worker="external")
    await ringback.migrate()
    await _prepare(ringback, given.receiver)
    async with _connection(given) as observer:
        for statement in given.options["alter"]:
            await observer.execute(statement)
    looks: list[Look] = []
    async with AsyncExitStack() as stack:
        producer = await stack.enter_async_context(_connection(given))
        observer = await stack.enter_async_context(_connection(given))
        producing = asyncio.create_task(_produce(producer, rate, seconds))
        await asyncio.sleep(1.0)  # in which the pattern was read
        await stack.enter_async_context(_worker(given.database, retention))
        began = time.monotonic()
        while not producing.done():
            await asyncio.wait([producing], timeout=every)
            looks.append(await _look(observer, time.monotonic() - began))
            console.print(_line(looks[-1]), highlight=False)
        await producing
        # What is left when nothing comes any more.
        await asyncio.sleep(retention + every)
        looks.append(await _look(observer, time.monotonic() - began))
    await ringback.engine.dispose()
    return looks


async def _prepare(ringback: Ringback, base_url: str) -> None:
    async with ringback.transaction() as session:
        for number in range(_TARGETS):
            exchange = Exchange(query={"callback_url": base_url}, body={"id": f"invoice{number}"})
            await ringback.bind(session, "create_invoice", key=f"invoice{number}", exchange=exchange)
        event = InvoiceEvent.model_validate(EVENT)
        await ringback.to(session, key="invoice0").send(invoice_notification, event)


async def _produce(connection: asyncpg.Connection, rate: int, seconds: int) -> None:
    """Owe so many a second, some in each transaction: what `send` writes, without its time in Python."""
    statement = await _sending(connection)
    began, owed = time.monotonic(), 0
    while (elapsed := time.monotonic() - began) < seconds:
        if owed >= elapsed * rate:
            await asyncio.sleep(0.002)
            continue
        keys = [f"invoice{(owed + number) % _TARGETS}" for number in range(_AT_ONCE)]
        await connection.execute(statement, keys, owed)
        owed += _AT_ONCE


async def _sending(connection: asyncpg.Connection) -> str:
    """Take a sequence number of each target, and add a delivery like the one that was sent by the API."""
    message = await _like(connection, "ringback_messages", without="id")
    delivery = await _like(connection, "ringback_deliveries")
    return (
        "WITH taken AS (UPDATE ringback_targets SET next_sequence = next_sequence + 1 WHERE key = ANY($1) "
        "RETURNING id, next_sequence - 1 AS sequence), "
        "numbered AS (SELECT *, $2::bigint + row_number() OVER () AS n FROM taken), "
        f"added AS ({message} FROM numbered, like_ringback_messages AS p RETURNING id, target_id) "
        f"{delivery} FROM added JOIN numbered ON numbered.id = added.target_id, like_ringback_deliveries AS p"
    )


async def _like(connection: asyncpg.Connection, table: str, *, without: str = "") -> str:
    """The beginning of a statement that adds rows like the one that is there."""
    await connection.execute(f"CREATE TEMPORARY TABLE like_{table} AS SELECT * FROM {table}")
    columns = [row[0] for row in await connection.fetch(_COLUMNS, table) if row[0] != without]
    values = [_DIFFERENT.get(name, f'p."{name}"') for name in columns]
    names = ", ".join(f'"{name}"' for name in columns)
    return f"INSERT INTO {table} ({names}) SELECT {', '.join(values)}"


@asynccontextmanager
async def _worker(database: str, retention: float) -> AsyncIterator[None]:
    figures = {"BENCH_DATABASE": database, "BENCH_RETENTION": str(retention)}
    app = ["bench.retention:worker_app", "--factory", "--quiet"]
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "ringback", "worker", *app],
        env=os.environ | figures,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def _connection(given: Given) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(given.postgresql)
    try:
        yield connection
    finally:
        await connection.close()


async def _look(connection: asyncpg.Connection, seconds: float) -> Look:
    await connection.execute("SELECT pg_stat_clear_snapshot()")
    tables = {row["relname"]: dict(row) for row in await connection.fetch(_SIZES, _TABLES)}
    states = dict(await connection.fetch("SELECT state, count(*) FROM ringback_deliveries GROUP BY state"))
    deliveries = tables["ringback_deliveries"]
    kept = states.get("delivered", 0)
    return Look(
        seconds=round(seconds, 1),
        owed=deliveries["n_tup_ins"],
        delivered=kept + deliveries["n_tup_del"],
        deleted=deliveries["n_tup_del"],
        open=sum(states.values()) - kept,
        kept=kept,
        dead_rows=sum(table["n_dead_tup"] for table in tables.values()),
        table_size=sum(table["table_size"] for table in tables.values()),
        index_size=sum(table["index_size"] for table in tables.values()),
        vacuums=sum(table["autovacuum_count"] for table in tables.values()),
        tables=tables,
    )


def _line(look: Look) -> str:
    return (
        f"{look.seconds:5.0f} s: {look.delivered:,} delivered, {look.open:,} open, {look.kept:,} kept, "
        f"{look.dead_rows:,} dead, {look.table_size / 1e6:.0f} + {look.index_size / 1e6:.0f} MB"
    )


def _table(looks: list[Look], caption: str) -> Table:
    table = Table(caption=caption)
    for title in ("after", "delivered", "open", "kept", "dead rows", "tables", "indexes", "vacuums"):
        table.add_column(title, justify="right")
    for look in looks:
        table.add_row(
            f"{look.seconds:.0f} s", f"{look.delivered:,}", f"{look.open:,}", f"{look.kept:,}",
            f"{look.dead_rows:,}", f"{look.table_size / 1e6:.1f} MB", f"{look.index_size / 1e6:.1f} MB",
            str(look.vacuums),
        )  # fmt: skip
    return table


if __name__ == "__main__":
    typer.run(main)
