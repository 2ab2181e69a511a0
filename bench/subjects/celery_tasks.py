"""The Celery app of the peer: one task that posts with requests; its worker imports this module."""

import os
from typing import Any

import redis
import requests
from celery import Celery  # type: ignore[import-untyped]

app = Celery("peer", broker=os.environ["BENCH_REDIS"])
app.conf.task_acks_late = True
app.conf.worker_prefetch_multiplier = 64
app.conf.task_ignore_result = True

_counter = redis.Redis.from_url(os.environ["BENCH_REDIS"])
_session = requests.Session()


@app.task(autoretry_for=(Exception,), retry_backoff=True)  # type: ignore[untyped-decorator]
def post(body: dict[str, Any]) -> None:
    """Deliver one event."""
    _session.post(os.environ["BENCH_URL"], json=body).raise_for_status()
    _counter.incr("done")
