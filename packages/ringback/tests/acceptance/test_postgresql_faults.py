"""PostgreSQL restarted, crashed, cut off in the middle of a COMMIT: nothing lost, nothing unexplained."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg
import httpx2
import pytest
import pytest_asyncio
from sqlalchemy import make_url
from testkit.postgresql import OwnServer, running_own_server
from testkit.tcp_proxy import TcpProxy, running_proxy

SHORT = {"patience": 0.3, "upkeep": 0.2, "poll": 0.2}

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture(scope="module")
def own_server() -> Iterator[OwnServer]:
    """A PostgreSQL that only these tests use, so that they may stop it."""
    with running_own_server() as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def place(own_server: OwnServer, new_site: Callable[[str], Any], forker: Any) -> AsyncIterator[Any]:
    """A site on that server."""
    site = new_site("sqlite")
    site.database = await asyncio.to_thread(own_server.create_database)
    await site.migrate()
    yield site
    await forker.end_all()
    await asyncio.to_thread(own_server.drop_database, site.database)


@asynccontextmanager
async def proxied(site: Any) -> AsyncIterator[tuple[TcpProxy, str]]:
    url = make_url(site.database)
    async with running_proxy(url.port or 0) as proxy:
        yield proxy, url.set(port=proxy.port).render_as_string(hide_password=False)


@asynccontextmanager
async def connection(site: Any) -> AsyncIterator[asyncpg.Connection]:
    url = make_url(site.database).set(drivername="postgresql").render_as_string(hide_password=False)
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def paying(site: Any, client: httpx2.AsyncClient, name: str, stop: asyncio.Event) -> None:
    """A client that asks again, with the same words, until it is answered."""
    number = 0
    while not stop.is_set():
        number += 1
        await until_answered(site.create, client, f"{name}-{number}", "ok")
        await until_answered(site.pay, client, f"{name}-{number}", 1)


async def until_answered(ask: Callable[..., Any], *words: Any) -> None:
    async with asyncio.timeout(60):
        while True:
            with suppress(AssertionError, httpx2.TransportError):
                await ask(*words)
                return
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_restarts_under_load_lose_nothing_that_was_acknowledged(
    place: Any, own_server: OwnServer, mode: str
) -> None:
    api = await place.serve(worker="external")
    workers = [await place.work() for _ in range(2)]
    stop = asyncio.Event()
    async with place.client(api) as client, asyncio.TaskGroup() as clients:
        for name in ("one", "two", "three"):
            clients.create_task(paying(place, client, name, stop))
        for restart in range(3):
            await place.until_sighted(25 * restart + 10)
            await asyncio.to_thread(own_server.stop, mode)
            await asyncio.to_thread(own_server.start)
        await place.until_sighted(80)
        stop.set()
    await place.until_ended()
    assert await place.broken() == []
    assert place.acknowledged
    for worker in workers:
        assert not worker.ended.done(), worker.log_text()
        worker.signal(signal.SIGTERM)
        assert await worker.end() == 0


@pytest.mark.parametrize("passing", [True, False], ids=["committed", "not committed"])
async def test_a_client_that_repeats_after_a_lost_commit_is_owed_once(place: Any, passing: bool) -> None:
    async with proxied(place) as (proxy, url):
        api = await place.serve(worker="external", database=url)
        await place.work()
        async with place.client(api) as client:
            for number in range(6):
                await until_answered(place.create, client, f"invoice{number}", "ok")
                proxy.cut_at(b"COMMIT", times=1, passing=passing)
                await until_answered(place.pay, client, f"invoice{number}", 1)
        assert proxy.cuts == 6
        await place.until_ended()
        assert len((await place.ledger()).deliveries) == 6
        assert await place.broken() == []


@pytest.mark.parametrize("passing", [True, False], ids=["committed", "not committed"])
async def test_a_worker_whose_commits_are_lost_sends_no_more_than_it_can_explain(
    place: Any, passing: bool
) -> None:
    api = await place.serve(worker="external")
    async with place.client(api) as client, proxied(place) as (proxy, url):
        worker = await place.work(database=url)
        await place.pay_many(client, "first", 1, "ok")
        await place.until_ended()
        for number in range(8):
            await place.pay_many(client, f"wave{number}", 10, "slow-20")
            proxy.cut_at(b"COMMIT", times=1 + number % 4, passing=passing)
            await place.until_sighted(10 * number + 5)
        await place.until_ended()
        assert proxy.cuts >= 4
        assert not worker.ended.done()
        assert await place.broken() == []
        assert set(await place.states()) == {"delivered"}


async def test_connections_that_go_silent_are_given_up(place: Any) -> None:
    api = await place.serve(worker="external")
    async with place.client(api) as client, proxied(place) as (proxy, url):
        await place.work(
            database=url, worker_settings={"patience": 0.3, "upkeep": 0.2, "poll": 0.2, "turn": 2.0}
        )
        await place.pay_many(client, "before", 5, "ok")
        await place.until_ended()
        proxy.freeze()
        await place.pay_many(client, "after", 5, "ok")
        await place.until_ended(timeout=20)
        assert await place.broken() == []


async def test_without_its_listener_a_worker_polls_and_listens_again(place: Any) -> None:
    listening = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()"
    api = await place.serve(worker="external")
    await place.work()
    async with place.client(api) as client, connection(place) as observer:

        async def listeners() -> set[int]:
            async with asyncio.timeout(20):
                while not (found := {row["pid"] for row in await observer.fetch(listening)}):
                    await asyncio.sleep(0.05)
            return found

        for number in range(3):
            before = await listeners()
            for pid in before:
                await observer.execute(f"SELECT pg_terminate_backend({pid})")
            await place.pay_many(client, f"wave{number}", 5, "ok")
            await place.until_sighted(5 * number + 5, timeout=5)
            assert await listeners() != before
        await place.until_ended()
        assert await place.broken() == []


async def test_a_transaction_that_stays_open_holds_up_only_its_own(place: Any) -> None:
    """It holds a target's lock and an uncommitted delivery, as a slow request of an app would."""
    api = await place.serve(worker="external")
    await place.work()
    async with place.client(api) as client, connection(place) as slow:
        for number in range(3):
            await place.create(client, f"held{number}", "ok")
            await place.pay(client, f"held{number}", 1)
        await place.until_sighted(3)
        transaction = slow.transaction()
        await transaction.start()
        await slow.execute("UPDATE ringback_targets SET next_sequence = next_sequence WHERE key LIKE 'held%'")
        await place.pay_many(client, "others", 60, "ok")
        await place.until_ended(timeout=10)
        waiting = asyncio.create_task(place.pay(client, "held0", 2))
        await place.pay_many(client, "more", 10, "ok")
        await place.until_sighted(73, timeout=10)
        assert not waiting.done()
        await transaction.rollback()
        await waiting
        await place.until_sighted(74)
        await place.until_ended()
        assert await place.broken() == []
