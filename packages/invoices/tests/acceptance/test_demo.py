"""`invoices demo --once` as a person runs it: the story with real processes, on both databases."""

import asyncio
import os
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from invoices import demo
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


STEPS = (
    "Invoice 2expen51ve received",
    '{"id": "2expen51ve", "customer": "Mr. Richie Rich", "total": "9999"}',
    "Mail to the customer written",
    "Customer opens the hosted page",
    "Paid in the sandbox",
    "Callback attempted, signature verified",
    '{"description": "Payment celebration", "paid": true}',
    '{"ok": true}',
    "Delivered",
    "Card declined, and called back about",
    '{"description": "Payment failed", "paid": false}',
    "Paid at the second try, and called back about",
    "Invoice 2expen51ve-by-mistake voided",
    "The whole story worked.",
)


def assert_told(told: str) -> None:
    places = [told.index(step) for step in STEPS]
    assert places == sorted(places)


async def test_the_story_by_itself_finds_free_ports_and_leaves_nothing_behind(tmp_path: Path) -> None:
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
    assert_told(told)
    assert "127.0.0.1:8000" not in told
    assert "127.0.0.1:8001" not in told
    assert list(tmp_path.iterdir()) == []


async def test_the_story_on_postgresql_leaves_rows_and_mail(postgresql_url: str, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    data_dir = tmp_path / "data"
    code, told = await play(
        "--data-dir", str(data_dir), "--database-url", postgresql_url, folder=tmp_path / "work"
    )
    assert code == 0, told
    assert_told(told)
    assert list((data_dir / "mail").glob("*.eml"))
    assert await rows(postgresql_url, "SELECT id, status FROM invoices ORDER BY number") == [
        ("2expen51ve", "paid"),
        ("2expen51ve-again", "paid"),
        ("2expen51ve-by-mistake", "void"),
    ]
    called_back = (
        "SELECT count(*) FROM ringback_deliveries JOIN ringback_messages USING (id) "
        "WHERE channel = 'http' AND attempts > 0"
    )
    assert await rows(postgresql_url, called_back) == [(3,)]
    assert list((tmp_path / "work").iterdir()) == []

    code, told = await play("--database-url", postgresql_url, folder=tmp_path / "work")
    assert code == 1
    assert "✗ " in told  # the database has seen the story before, and another folder's keys
    (kept,) = (tmp_path / "work").iterdir()
    assert f"Everything is kept in {kept}" in told


def test_a_folder_in_use_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine").write_text("mine")
    assert demo.play(once=True, data_dir=tmp_path) == 1
    assert "is not empty" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_service_that_does_not_start_is_told_with_its_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = "postgresql://nobody@127.0.0.1:1/nothing"
    assert demo.play(once=True, data_dir=tmp_path / "data", database_url=url) == 1
    told = capsys.readouterr().out
    assert "the service ended with exit code 1" in told
    assert "the database cannot be used" in told
