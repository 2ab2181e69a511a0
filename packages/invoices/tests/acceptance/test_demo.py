"""`invoices demo --once` as a person runs it: the story with real processes, on both databases."""

import asyncio
import os
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from invoices.database import connect


async def play(*arguments: str, folder: Path) -> tuple[int, str]:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "invoices", "demo", "--once", *arguments),
        env={**os.environ, "TMPDIR": str(folder), "NO_COLOR": "1", "INVOICES_CURRENCY": "nonsense"},
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(child.communicate(), 100)
    assert child.returncode is not None
    return child.returncode, output.decode()


async def rows(url: str, statement: str) -> list[Any]:
    engine = connect(url)
    async with engine.connect() as connection:
        found = (await connection.execute(text(statement))).all()
    await engine.dispose()
    return [tuple(row) for row in found]


async def test_the_story_is_told_from_the_invoice_to_the_delivery(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    data_dir = tmp_path / "data"
    code, told = await play(
        "--data-dir", str(data_dir), "--database-url", database_url, folder=tmp_path / "work"
    )
    assert code == 0, told
    places = [
        told.index(words)
        for words in (
            "Invoice 2expen51ve received",
            "Mail to the customer written",
            "Customer opens the hosted page",
            "Paid in the sandbox",
            "Callback attempted, signature verified",
            '{"ok": true}',
            "Delivered",
            "The whole story worked.",
        )
    ]
    assert places == sorted(places)
    assert '{"id": "2expen51ve", "customer": "Mr. Richie Rich", "total": "9999"}' in told
    assert list((data_dir / "mail").glob("*.eml"))
    assert await rows(database_url, "SELECT id, status FROM invoices") == [("2expen51ve", "paid")]
    deliveries = await rows(database_url, "SELECT channel, state FROM ringback_deliveries ORDER BY channel")
    assert [state for _, state in deliveries] == ["delivered", "delivered"]
    assert list((tmp_path / "work").iterdir()) == []


async def test_by_itself_it_leaves_nothing_behind_and_finds_free_ports(tmp_path: Path) -> None:
    with socket.socket() as first, socket.socket() as second:
        for taken, port in ((first, 8000), (second, 8001)):
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                taken.bind(("127.0.0.1", port))
                taken.listen()
            except OSError:
                continue  # somebody else has it, which is as good
        code, told = await play(folder=tmp_path)
    assert code == 0, told
    assert "127.0.0.1:8000" not in told
    assert "127.0.0.1:8001" not in told
    assert list(tmp_path.iterdir()) == []


async def test_a_step_that_fails_is_told_and_ends_with_an_error(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mail").write_text("a file where the folder of the mails should be")
    code, told = await play("--data-dir", str(tmp_path / "data"), folder=tmp_path)
    assert code == 1
    assert "is not empty" in told


@pytest.mark.parametrize("url", ["postgresql://nobody@127.0.0.1:1/nothing", "mysql://x"])
async def test_a_service_that_does_not_start_is_told_with_its_reason(url: str, tmp_path: Path) -> None:
    code, told = await play("--database-url", url, folder=tmp_path)
    assert code == 1
    assert "the service ended" in told
    assert "INVOICES_DATABASE_URL" in told or "database cannot be used" in told
