import sqlite3
import threading
from contextlib import closing
from pathlib import Path

from docs_src.operating.back_up import back_up


def test_a_database_is_copied_as_it_was_at_one_moment_while_others_write(tmp_path: Path) -> None:
    database = tmp_path / "invoices.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.executescript("CREATE TABLE a (n); CREATE TABLE b (n); INSERT INTO a VALUES (0);")
        connection.executescript("INSERT INTO b VALUES (0);")
    done, written = threading.Event(), threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(database, timeout=60)) as connection:
            while not done.is_set():
                with connection:
                    connection.execute("INSERT INTO a SELECT max(n) + 1 FROM a")
                    connection.execute("INSERT INTO b SELECT max(n) + 1 FROM b")
                written.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert written.wait(20)
        copy = back_up(database, tmp_path)
    finally:
        done.set()
        writer.join()

    with closing(sqlite3.connect(copy)) as connection:
        in_a, in_b = connection.execute("SELECT (SELECT max(n) FROM a), (SELECT max(n) FROM b)").fetchone()
    assert in_a == in_b > 0
