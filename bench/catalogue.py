"""Everything that is measured, each in a process of its own."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

# At which aiohttp is at its best; the same for Ringback. Other peers have their own best.
CONCURRENCY: Final = 64


@dataclass(frozen=True, slots=True)
class Subject:
    """One thing that is measured, by the module of that name in `bench.subjects`.

    Subjects of one `group` take turns, so that what disturbs one disturbs the others. `needs` names what
    must be there: nginx, paced (a receiver that can wait or hang), sqlite, postgresql, redis, wrk. One
    that `keeps` has the same database in every round.
    """

    name: str
    title: str
    module: str
    deliveries: int
    needs: tuple[str, ...] = ("nginx",)
    group: str = "speed"
    concurrency: int = CONCURRENCY
    options: Mapping[str, Any] = field(default_factory=dict)
    keeps: bool = False


_LITE = ("nginx", "sqlite")
_PG = ("nginx", "postgresql")
_STUCK = {"hanging": 0.9}


def _worker(
    name: str, title: str, count: int, needs: tuple[str, ...], group: str = "speed", **more: Any
) -> Subject:
    return Subject(name, title, "ringback_worker", count, needs, group, **more)


def _both(name: str, title: str, module: str, deliveries: int, group: str, **more: Any) -> Iterator[Subject]:
    """The same on each database."""
    for database in ("sqlite", "postgresql"):
        needs, full = ("nginx", "paced", database), f"{title}, {database}"
        yield Subject(f"{name}-{database}", full, module, deliveries, needs, f"{group}-{database}", **more)


def _idle(name: str, title: str, module: str, database: str) -> Subject:
    return Subject(name, title, module, 300, ("paced", database), "latency")


def _flow(name: str, title: str, hanging: int) -> Subject:
    """`hanging` is in percent."""
    options = {"hanging": hanging}
    return Subject(name, title, "steady_flow", 2_000, ("paced", "postgresql"), "flow", options=options)


def _fleet(name: str, title: str, workers: int) -> Subject:
    options = {"workers": workers}
    return Subject(name, title, "fleet", 15_000, ("paced", "postgresql"), "fleet", options=options)


def _server(name: str, title: str, *database: str, **options: Any) -> Subject:
    """Deliveries are milliseconds here."""
    return Subject(name, title, "creating", 6_000, ("wrk", *database), "service", options=options)


SUBJECTS: Final = (
    Subject("aiohttp", "aiohttp loop", "aiohttp_loop", 60_000),
    Subject("transport", "Ringback's transport alone", "transport_loop", 120_000),
    _worker("sqlite", "Ringback on SQLite", 60_000, _LITE),
    _worker("postgresql", "Ringback on PostgreSQL", 60_000, _PG),
    Subject("pgqueuer", "pgqueuer + aiohttp", "pgqueuer_worker", 30_000, _PG, options={"batch": 50}),
    Subject("celery", "Celery + Redis + requests", "celery_worker", 3_000, ("nginx", "redis")),
    Subject("procrastinate", "procrastinate + aiohttp", "procrastinate_worker", 2_000, _PG, concurrency=16),
    Subject("dbos", "DBOS + aiohttp", "dbos_workflows", 1_000, _PG),
    Subject("httpx", "httpx loop", "httpx_loop", 5_000, concurrency=4),
    _worker("v1", "one signature", 40_000, _LITE, "v1a"),
    _worker("v1a", "two signatures", 40_000, _LITE, "v1a", options={"v1a": True}),
    *_both("place", "one destination", "ringback_worker", 40_000, "places"),
    *_both("places", "10,000 destinations", "ringback_worker", 40_000, "places", options={"places": 10_000}),
    *_both("few", "10,000 due", "few_due", 10_000, "backlog"),
    *_both("many", "1,000,000 due", "backlog", 1_000_000, "backlog", keeps=True),
    *_both("stuck", "900,000 due hang", "backlog", 1_000_000, "backlog", keeps=True, options=_STUCK),
    _idle("embedded", "idle, embedded", "latency_embedded", "sqlite"),
    _idle("apart", "idle, two processes", "latency_apart", "postgresql"),
    _flow("calm", "nobody hangs", 0),
    _flow("beside", "a tenth hangs", 10),
    _fleet("worker", "one worker", 1),
    _fleet("workers", "four workers", 4),
    _server("tutorial", "the tutorial's app", server="tutorial"),
    _server("service-postgresql", "the service, PostgreSQL", "postgresql", server="service"),
    _server("service-wal", "the service, SQLite, WAL", "sqlite", server="service", newer_sqlite=True),
    _server("service-journal", "the service, SQLite, rollback journal", "sqlite", server="service"),
)


def subject(name: str) -> Subject:
    """The subject of that name."""
    return next(one for one in SUBJECTS if one.name == name)
