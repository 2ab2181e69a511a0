"""An app for ``ringback worker bench.worker_app:app``; its database and figures are in the environment."""

import os

from fastapi import FastAPI

from bench.app import make_app

_figures = {name: int(os.environ[f"BENCH_{name.upper()}"]) for name in ("in_flight", "concurrency")}
app = FastAPI()
make_app(app, database=os.environ["BENCH_DATABASE"], worker="external", **_figures)
