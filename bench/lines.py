"""The lines of the table: which figures they compare, and their goals."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Line:
    """One line: ours ÷ theirs, or ours alone. Figures are written ``subject.figure``."""

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


def _time(figure: str, title: str, goal: float) -> Line:
    return Line(figure.replace(".", "-"), f"commit → first byte, {title}", figure, None, goal, True, "ms")


def _both(name: str, title: str, ours: str, theirs: str | None, *rest: Any) -> Iterator[Line]:
    for database, called in (("sqlite", "SQLite"), ("postgresql", "PostgreSQL")):
        other = theirs and theirs.format(database)
        yield Line(f"{name}-{database}", f"{title}, {called}", ours.format(database), other, *rest)


def _service(name: str, place: str, goal: float) -> Iterator[Line]:
    subject, title = f"service-{name}", f"POST /invoices/ {place}"
    yield Line(subject, f"{title} ÷ the tutorial's app", f"{subject}.rate", "tutorial.rate", goal)
    yield Line(f"{subject}-tail", f"{title}, p99 ÷ p50", f"{subject}.tail", None, 6, True, "×")


LINES: Final = (
    Line("sqlite", "durable on SQLite ÷ raw aiohttp loop", "sqlite.rate", "aiohttp.rate", 1.5),
    Line("postgresql", "durable on PostgreSQL ÷ raw aiohttp loop", "postgresql.rate", "aiohttp.rate", 1.5),
    Line("pgqueuer", "on PostgreSQL ÷ pgqueuer + aiohttp", "postgresql.rate", "pgqueuer.rate", 3),
    Line("celery", "on PostgreSQL ÷ Celery + Redis", "postgresql.rate", "celery.rate", 15),
    Line("procrastinate", "on PostgreSQL ÷ procrastinate", "postgresql.rate", "procrastinate.rate", 15),
    Line("dbos", "on PostgreSQL ÷ DBOS", "postgresql.rate", "dbos.rate", 15),
    Line("httpx", "on PostgreSQL ÷ httpx in a loop", "postgresql.rate", "httpx.rate", 15),
    Line("transport", "transport alone ÷ raw aiohttp loop", "transport.rate", "aiohttp.rate", 3),
    _time("embedded.p50", "embedded, p50", 5),
    _time("embedded.p99", "embedded, p99", 25),
    _time("apart.p50", "other process, p50", 8),
    _time("apart.p99", "other process, p99", 40),
    *_both("many", "1,000,000 due ÷ 10,000", "many-{}.rate", "few-{}.rate", 0.9),
    *_both("stuck", "1,000,000 due, 900,000 hang ÷ 10,000", "stuck-{}.rate", "few-{}.rate", 0.9),
    *_both("memory", "worker's memory at 1,000,000 due", "many-{}.memory", None, 150, True, "MB"),
    Line("v1a", "v1a beside v1 ÷ v1 alone", "v1a.rate", "v1.rate"),
    *_both("places", "10,000 destinations ÷ one", "places-{}.rate", "place-{}.rate", 0.7),
    Line("hanging", "p99 of the healthy, 10 % hang ÷ none", "beside.p99", "calm.p99", 1.3, True, "ms"),
    Line("fleet", "four workers ÷ one, receiver takes 50 ms", "workers.rate", "worker.rate", 3.5),
    *_service("postgresql", "on PostgreSQL", 0.2),
    *_service("wal", "on SQLite, WAL", 0.2),
    *_service("journal", "on SQLite, journal", 0.08),
)
