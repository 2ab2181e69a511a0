"""Runs a module with the SQLite of the pysqlite3 wheel, whose write-ahead log is sound, in place of Python's.

``python -m bench.newer_sqlite MODULE ARGUMENTS``
"""

import runpy
import sys

import pysqlite3  # type: ignore[import-untyped]

sys.modules["sqlite3"] = pysqlite3
sys.modules["sqlite3.dbapi2"] = pysqlite3.dbapi2

if __name__ == "__main__":
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
