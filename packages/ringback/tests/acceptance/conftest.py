"""Real processes of a real app, killed and started again, and the rounds in which that happens."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import httpx2
import pytest
import pytest_asyncio
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import SQLAlchemyError
from standardwebhooks import Webhook
from testkit.forking import Forked, Forker, running_forker
from testkit.invariants import Figures, Ledger, broken, count_duplicates, read_ledger
from testkit.postgresql import Server
from testkit.witness import Sighting, Witness, running_witness

# What a test may not wait for is short; what protects from chance on a busy machine is not.
FIGURES: dict[str, Any] = {
    "attempt_timeout": 1.0,
    "lease_margin": 0.2,
    "delays": [0.0, 0.05, 0.1, 0.2, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0],
    "worker_settings": {"patience": 0.3, "upkeep": 0.2, "poll": 0.2, "silence": 2.0},
}
SECONDS = 40.0


@dataclass(frozen=True)
class Part:
    """One callback that the client asks for."""

    invoice: str
    number: int


@dataclass
class Site:
    """A database, the processes on it, the witness of what arrives, and what the client was told."""

    database: str
    forker: Forker
    witness: Witness
    name: str = field(default_factory=lambda: uuid4().hex[:12])
    acknowledged: set[Any] = field(default_factory=set)
    processes: list[Forked] = field(default_factory=list)
    secret: str = ""

    async def serve(self, plan: dict[str, Any] | None = None, **figures: Any) -> Forked:
        return await self._fork("serve", plan, figures)

    async def _fork(self, function: str, plan: dict[str, Any] | None, figures: dict[str, Any]) -> Forked:
        settings = {"database": self.database, "plan": plan, **FIGURES, **figures}
        process = await self.forker.fork(function, **settings)
        self.processes.append(process)
        return process

    @asynccontextmanager
    async def within(self, seconds: float) -> AsyncIterator[None]:
        """A deadline that shows, when it passes, what the processes have to say."""
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError:
            logs = [f"--- {process.pid}\n{process.log_text()}" for process in self.processes]
            raise AssertionError("\n".join([f"too late: {await self.states()}", *logs])) from None

    def _one_crashed(self) -> bool:
        for process in self.processes:
            crashed = process.ended.done() and process.ended.result() > 0
            assert not crashed, f"{process.pid} ended with an error:\n{process.log_text()}"
        return False

    async def migrate(self) -> None:
        migration = await self.forker.fork("migrate", database=self.database)
        assert await migration.end() == 0, migration.log_text()

    async def work(self, plan: dict[str, Any] | None = None, **figures: Any) -> Forked:
        worker = await self._fork("work", plan, figures)
        assert await worker.word() == "working"
        return worker

    @asynccontextmanager
    async def client(self, api: Forked) -> AsyncIterator[httpx2.AsyncClient]:
        port = (await api.word())["port"]
        url = f"http://127.0.0.1:{port}"
        async with httpx2.AsyncClient(verify=False, base_url=url, timeout=SECONDS) as client:
            with suppress(httpx2.TransportError):
                self.secret = self.secret or (await client.get("/secret")).json()
            yield client

    async def create(self, client: httpx2.AsyncClient, invoice: str, behaviour: str) -> None:
        answer = await client.post(
            "/invoices/",
            json={"id": invoice},
            params={"callback_url": self.witness.url(behaviour, self.name)},
        )
        assert answer.status_code == 200, answer.text
        self.acknowledged.add(invoice)

    async def pay(self, client: httpx2.AsyncClient, invoice: str, number: int) -> None:
        answer = await client.post(f"/invoices/{invoice}/parts/{number}")
        assert answer.status_code == 200, answer.text
        self.acknowledged.add(Part(invoice, number))

    async def pay_many(self, client: httpx2.AsyncClient, name: str, count: int, behaviour: str) -> None:
        url = self.witness.url(behaviour, self.name)
        answer = await client.post(f"/bulk/{name}/{count}", params={"callback_url": url})
        assert answer.status_code == 200, answer.text
        self.acknowledged |= {Part(f"{name}-{number}", 1) for number in range(count)}

    async def until_sighted(self, count: int, timeout: float = SECONDS) -> list[Sighting]:
        async with self.within(timeout):
            while len(found := self.sightings()) < count and not self._one_crashed():
                await asyncio.sleep(0.02)
        return found

    def sightings(self) -> list[Sighting]:
        return self.witness.sightings(self.name)

    async def ledger(self) -> Ledger:
        return await asyncio.to_thread(self._read, read_ledger)

    async def states(self) -> dict[str, int]:
        query = text("SELECT state, count(*) FROM ringback_deliveries GROUP BY state")

        def count(connection: Any) -> dict[str, int]:
            return {row[0]: row[1] for row in connection.execute(query)}

        with suppress(SQLAlchemyError):  # before its tables are there, and while the database restarts
            return await asyncio.to_thread(self._read, count)
        return {}

    async def until_ended(self, timeout: float = SECONDS, *, process: Forked | None = None) -> None:
        """Wait until every delivery has ended, or `process` has."""
        await self.until(lambda s: not s.keys() & {"pending", "waiting", "sending"}, timeout, process)

    async def until(
        self,
        enough: Callable[[dict[str, int]], bool],
        timeout: float = SECONDS,
        process: Forked | None = None,
    ) -> None:
        """Wait until the counts by state are as wanted, or `process` has ended."""
        async with self.within(timeout):
            while (process is None or not process.ended.done()) and not self._one_crashed():
                states = await self.states()
                if states and enough(states):
                    return
                await asyncio.sleep(0.03)

    def _read(self, look: Callable[[Any], Any]) -> Any:
        url = make_url(self.database)
        sync = "sqlite" if url.get_backend_name() == "sqlite" else "postgresql+psycopg"
        engine = create_engine(url.set(drivername=sync))
        try:
            with engine.connect() as connection:
                return look(connection)
        finally:
            engine.dispose()

    async def broken(self, **how: Any) -> list[str]:
        """Every rule that does not hold on this site."""
        ledger, sightings = await self.ledger(), self.sightings()
        found = broken(ledger, sightings, **how)
        if sightings:
            webhook = Webhook(self.secret)
            for sighting in sightings:
                webhook.verify(sighting.body, sighting.headers)
        owed: dict[Any, int] = {}
        for row in ledger.deliveries.values():
            invoice = row.url.rpartition("/")[2]
            part = Part(invoice, int(row.idempotency_key.removeprefix("part ")))
            owed[part] = owed.get(part, 0) + 1
        found += [f"{part} is owed {count} times" for part, count in owed.items() if count > 1]
        lost = {part for part in self.acknowledged if isinstance(part, Part)} - owed.keys()
        return found + [f"{part} was acknowledged and is lost" for part in lost]


@dataclass
class Round:
    """One client's work on one site, while the processes of successive lives come to their ends."""

    site: Site
    seed: str
    rng: Random = field(init=False)
    work: dict[str, tuple[str, list[Part]]] = field(init=False)
    abandoned: set[Part] = field(init=False)

    def __post_init__(self) -> None:
        rng = self.rng = Random(self.seed)
        self.work = {}
        for number in range(rng.randint(2, 5)):
            invoice = f"{self.site.name}-{number}"
            behaviour = rng.choice(["ok", "ok", "ok", "slow-30", "fail-1", "fail-2"])
            self.work[invoice] = behaviour, [Part(invoice, n + 1) for n in range(rng.randint(1, 3))]
        parts = [part for _, parts in self.work.values() for part in parts]
        # The client does not ask again for these when it gets no answer.
        self.abandoned = {part for part in parts if rng.random() < 0.2}

    async def play(self, plans: list[dict[str, Any]]) -> Figures:
        figures = Figures(rounds=1)
        asked: set[Part] = set()
        for plan in plans:
            api = await self.site.serve(plan)
            await self._ask(api, asked)
            await self.site.until_ended(process=api)
            api.signal(signal.SIGKILL)
            assert await api.end() == -signal.SIGKILL
            figures.kills += 1
        api = await self.site.serve()
        await self._ask(api, asked)
        await self.site.until_ended()
        api.signal(signal.SIGTERM)
        if await api.end() not in (0, -signal.SIGTERM):
            figures.broken.append(f"the API did not end well: {api.log_text()}")
        ledger, sightings = await self.site.ledger(), self.site.sightings()
        figures.deliveries, figures.requests = len(ledger.deliveries), len(sightings)
        figures.duplicates = count_duplicates(sightings)
        figures.broken += await self.site.broken()
        figures.broken = [f"round {self.seed} {plans}: {what}" for what in figures.broken]
        return figures

    async def _ask(self, api: Forked, asked: set[Part]) -> None:
        try:
            async with self.site.client(api) as client:
                await asyncio.gather(*(self._invoice(client, invoice, asked) for invoice in self.work))
        except AssertionError:
            # Its point may come before it listens.
            if not (api.ended.done() and api.ended.result() == -signal.SIGKILL):
                raise

    async def _invoice(self, client: httpx2.AsyncClient, invoice: str, asked: set[Part]) -> None:
        behaviour, parts = self.work[invoice]
        with suppress(httpx2.TransportError):
            if invoice not in self.site.acknowledged:
                await self.site.create(client, invoice, behaviour)
            for part in parts:
                if part in self.site.acknowledged or (part in asked and part in self.abandoned):
                    continue
                asked.add(part)
                await self.site.pay(client, part.invoice, part.number)


# --- fixtures -----------------------------------------------------------------------------------------------


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def forker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Forker]:
    program = Path(__file__).with_name("shop.py")
    async with running_forker(program, tmp_path_factory.mktemp("processes")) as forker:
        yield forker


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def witness(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Witness]:
    async with running_witness(tmp_path_factory.mktemp("witness")) as witness:
        yield witness


@pytest_asyncio.fixture(loop_scope="session")
async def new_site(
    request: pytest.FixtureRequest, forker: Forker, witness: Witness, tmp_path: Path
) -> AsyncIterator[Callable[[str], Site]]:
    """`new_site("sqlite")`, `new_site("postgresql")`: on an empty database of its own."""
    made: list[str] = []

    def new(backend: str) -> Site:
        if backend == "sqlite":
            return Site(f"sqlite+aiosqlite:///{tmp_path / uuid4().hex}.db", forker, witness)
        server: Server = request.getfixturevalue("postgresql_server")
        made.append(server.create_database())
        return Site(made[-1], forker, witness)

    yield new
    await forker.end_all()
    for url in made:
        request.getfixturevalue("postgresql_server").drop_database(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, new_site: Callable[[str], Site]) -> Site:
    return new_site(request.param)


@pytest.fixture
def new_round(new_site: Callable[[str], Site]) -> Callable[[str, str], Round]:
    """`new_round(backend, seed)`: a client with its work, on a site of its own."""
    return lambda backend, seed: Round(new_site(backend), seed)
