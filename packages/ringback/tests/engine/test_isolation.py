"""What one destination does is not felt by another; what is committed leaves at once."""

import asyncio
import statistics
import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, make_url
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from ringback import Delivery, Outcome, Ringback
from ringback.testing import LocalReceiver, assert_delivered

Work = Callable[[Any], Any]


async def owe_many(shop: Any, url: str, count: int, *, prefix: str = "x", owner: str = "") -> None:
    for number in range(count):
        await shop.owe(f"{prefix}{number}", url, owner=owner)


@pytest.mark.parametrize("behaviour", ["hang", "drip"])
async def test_a_destination_that_does_not_answer_delays_no_other(open_shop: Any, behaviour: Any) -> None:
    async with open_shop(concurrency=32) as shop:
        with LocalReceiver(behaviour) as bad, LocalReceiver("ok") as good:
            await owe_many(shop, bad.url, 40, prefix="bad")
            await bad.received(16)
            started = time.monotonic()
            await owe_many(shop, good.url, 10, prefix="good")
            requests = await good.received(10)
            assert max(request.at for request in requests) - started < 5
            assert len(bad.requests) == 16


async def test_at_most_so_many_requests_to_one_destination_run_at_once(open_shop: Any) -> None:
    async with open_shop(in_flight=3) as shop:
        with LocalReceiver("hang") as slow, LocalReceiver("ok") as other:
            await owe_many(shop, slow.url, 10, prefix="slow")
            await slow.received(3)
            # The worker has looked for work again when this one has arrived.
            await shop.owe("other", other.url)
            await other.received(1)
            assert len(slow.requests) == 3
            states = sorted(report.state for report in await shop.reports())
            assert states.count("sending") <= 4
            assert states.count("pending") == 7


async def test_the_same_host_of_another_owner_is_another_destination(open_shop: Any) -> None:
    async with open_shop(in_flight=2) as shop:
        with LocalReceiver("ok") as receiver:
            receiver.behave("hang", path="/hang")
            await owe_many(shop, f"{receiver.url}/hang", 4, prefix="a", owner="acme")
            await receiver.received(2)
            await shop.owe("b", receiver.url, owner="other")
            assert [r.target for r in await receiver.received(3)][2] == "/invoices/b"


async def test_a_channel_that_hangs_delays_no_callback(open_shop: Any) -> None:
    endless = asyncio.Event()

    async def hang(_: Delivery) -> Outcome:
        await endless.wait()
        return Outcome.delivered()

    async with open_shop(concurrency=32) as shop:
        shop.ringback.channel("mail", hang)
        async with shop.ringback.transaction() as session:
            for number in range(40):
                await shop.ringback.enqueue(session, "mail", {}, to=f"{number}@example.org")
        with LocalReceiver("ok") as receiver:
            await shop.owe("a", receiver.url)
            await receiver.received(1)
            endless.set()
            await shop.drain()
        await assert_delivered(shop.ringback, times=41)


async def test_hundreds_of_destinations_are_all_served(open_shop: Any) -> None:
    async with open_shop(figures={"destinations": 7}) as shop:
        with LocalReceiver("ok") as receiver:
            for number in range(60):
                await shop.owe(f"k{number}", receiver.url, owner=f"owner{number:03}")
            await shop.drain()
            assert len(receiver.requests) == 60


async def test_what_is_claimed_is_limited_by_what_can_run(open_shop: Any) -> None:
    async with open_shop(concurrency=5, in_flight=4) as shop:
        with LocalReceiver("hang") as slow, LocalReceiver("hang") as other:
            await owe_many(shop, slow.url, 8, prefix="a")
            await owe_many(shop, other.url, 8, prefix="b")
            await slow.received(1)
            await other.received(1)
            async with asyncio.timeout(5):
                while len(slow.requests) + len(other.requests) < 5:
                    await asyncio.sleep(0.01)
            assert [report.state for report in await shop.reports()].count("sending") == 5


# --- waking up --------------------------------------------------------------------------------------------


async def with_async_session(ringback: Ringback, work: Work) -> None:
    async with AsyncSession(ringback.engine) as session:
        await work(session)
        await session.commit()


async def with_async_connection(ringback: Ringback, work: Work) -> None:
    async with ringback.engine.connect() as connection:
        await work(connection)
        await connection.commit()


async def in_a_thread(ringback: Ringback, work: Work, opened: Callable[[Engine], Any]) -> None:
    url = make_url(ringback.engine.url)
    driver = "sqlite" if url.get_backend_name() == "sqlite" else "postgresql+psycopg"

    def run() -> None:
        engine = create_engine(url.set(drivername=driver))
        Ringback.configure_sqlite(engine)
        with opened(engine) as caller:
            work(caller)
            caller.commit()
        engine.dispose()

    await asyncio.to_thread(run)


async def with_session(ringback: Ringback, work: Work) -> None:
    await in_a_thread(ringback, work, Session)


async def with_connection(ringback: Ringback, work: Work) -> None:
    await in_a_thread(ringback, work, lambda engine: engine.connect())


@pytest.mark.parametrize(
    "committing", [with_async_session, with_async_connection, with_session, with_connection]
)
async def test_a_commit_wakes_the_worker_at_once(open_shop: Any, receiver: Any, committing: Any) -> None:
    """The worker polls every minute here, so whatever arrives was woken."""
    async with open_shop(figures={"poll": 60.0}) as shop:
        await shop.bind("a", receiver.url)
        waits = []
        for number in range(5):
            await committing(
                shop.ringback, lambda caller: shop.ringback.to(caller, key="a").send(*shop.event())
            )
            committed = time.monotonic()
            requests = await receiver.received(number + 1, timeout=5)
            waits.append(requests[-1].at - committed)
            await shop.drain()
        assert statistics.median(waits) < 0.2


async def test_what_another_process_commits_is_found_by_polling(open_shop: Any, receiver: Any) -> None:
    async with open_shop(figures={"poll": 0.05}) as shop:
        await shop.bind("a", receiver.url)
        async with open_shop(worker="external", running=False) as other:
            await other.send("a")
            await receiver.received(1)
        await shop.drain()


async def test_what_becomes_due_is_found_by_polling(open_shop: Any, receiver: Any) -> None:
    async with open_shop(figures={"poll": 0.05}) as shop:
        receiver.behave("500", "ok")
        await shop.owe("a", receiver.url)
        await shop.drain()
        shop.clock.advance(10)
        await receiver.received(2)
        await shop.drain()
        await assert_delivered(shop.ringback)
