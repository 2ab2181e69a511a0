"""What is measured and which figures make a line of the table, with the goal of each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

# At which aiohttp is at its best; the same for Ringback. Other peers have their own best.
CONCURRENCY: Final = 64


@dataclass(frozen=True, slots=True)
class Subject:
    """One thing that runs in a process of its own.

    Subjects of one `group` take turns, so that what disturbs one disturbs the others. `needs` names what
    must be there: nginx, paced (a receiver that can wait or hang), sqlite, postgresql, redis, wrk.
    """

    name: str
    title: str
    module: str
    deliveries: int
    needs: tuple[str, ...] = ("nginx",)
    group: str = "speed"
    concurrency: int = CONCURRENCY
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table: ours ÷ theirs, or ours alone. Figures are written ``subject.figure``."""

    name: str
    title: str
    ours: str
    theirs: str | None = None
    goal: float | None = None
    at_most: bool = False
    unit: str = "/s"

    @property
    def subjects(self) -> set[str]:
        """The subjects that must run for this line."""
        return {figure.partition(".")[0] for figure in (self.ours, self.theirs) if figure}


_WORKER = "ringback_worker"
_QUEUE = ("nginx", "postgresql")
_CELERY = {"pool": "solo", "processes": 1}

SUBJECTS: Final = (
    Subject("aiohttp", "aiohttp loop", "aiohttp_loop", 60_000),
    Subject("transport", "Ringback's transport alone", "transport_loop", 120_000),
    Subject("sqlite", "Ringback on SQLite", _WORKER, 60_000, ("nginx", "sqlite")),
    Subject("postgresql", "Ringback on PostgreSQL", _WORKER, 60_000, ("nginx", "postgresql")),
    Subject("pgqueuer", "pgqueuer + aiohttp", "pgqueuer_worker", 30_000, _QUEUE, options={"batch": 50}),
    Subject(
        "celery", "Celery + Redis + requests", "celery_worker", 3_000, ("nginx", "redis"), options=_CELERY
    ),
    Subject(
        "procrastinate", "procrastinate + aiohttp", "procrastinate_worker", 2_000, _QUEUE, concurrency=16
    ),
    Subject("dbos", "DBOS + aiohttp", "dbos_workflows", 1_000, _QUEUE),
    Subject("httpx", "httpx loop", "httpx_loop", 5_000, concurrency=4),
)

LINES: Final = (
    Line("sqlite", "durable on SQLite ÷ raw aiohttp loop", "sqlite.rate", "aiohttp.rate", 1.5),
    Line("postgresql", "durable on PostgreSQL ÷ raw aiohttp loop", "postgresql.rate", "aiohttp.rate", 1.5),
    Line("transport", "transport alone ÷ raw aiohttp loop", "transport.rate", "aiohttp.rate", 3),
    Line("pgqueuer", "durable on PostgreSQL ÷ pgqueuer + aiohttp", "postgresql.rate", "pgqueuer.rate", 3),
    Line("celery", "durable on PostgreSQL ÷ Celery + Redis + requests", "postgresql.rate", "celery.rate", 15),
    Line(
        "procrastinate", "durable on PostgreSQL ÷ procrastinate", "postgresql.rate", "procrastinate.rate", 15
    ),
    Line("dbos", "durable on PostgreSQL ÷ DBOS", "postgresql.rate", "dbos.rate", 15),
    Line("httpx", "durable on PostgreSQL ÷ httpx in a loop", "postgresql.rate", "httpx.rate", 15),
)


def subject(name: str) -> Subject:
    """The subject of that name."""
    return next(one for one in SUBJECTS if one.name == name)
