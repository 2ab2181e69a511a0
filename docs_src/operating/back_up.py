"""Copies a SQLite database while it is in use: python back_up.py invoices-data/invoices.db backups"""

import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path


def back_up(database: Path, folder: Path) -> Path:
    copy = folder / f"{database.stem}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.db"
    with (
        closing(sqlite3.connect(f"file:{database}?mode=rw", uri=True, timeout=60)) as source,
        closing(sqlite3.connect(copy)) as goal,
    ):
        source.backup(goal)  # in one step: all of it as it was at one moment
        (verdict,) = goal.execute("PRAGMA integrity_check").fetchone()
    if verdict != "ok":
        raise SystemExit(f"{copy} is not sound: {verdict}")
    return copy


if __name__ == "__main__":
    print(back_up(Path(sys.argv[1]), Path(sys.argv[2])))
