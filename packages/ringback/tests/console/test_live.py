"""News for open pages: what is told, how soon, how many may listen, and that nobody asks when nobody does."""

import asyncio
from contextlib import aclosing, suppress
from typing import Any

import pytest
from sqlalchemy import event

from ringback._types import State
from ringback.console import _live
from ringback.console._desk import Desk
from ringback.console._live import EVERYTHING, Live

Office = Any


async def test_a_change_is_told_to_all_who_watch_and_asked_for_once(desk: Office) -> None:
    live, asked = Live(Desk(desk.ringback), every=0.05), list[str]()
    event.listen(desk.ringback.engine.sync_engine, "begin", lambda *_: asked.append("."))

    async def wait() -> None:
        async with aclosing(live.changes(EVERYTHING, lasts=20)) as changes:
            assert not (await anext(changes)).is_change
            assert (await anext(changes)).is_change

    watchers = [asyncio.create_task(wait()) for _ in range(20)]
    async with asyncio.timeout(20):
        while EVERYTHING not in live._marks:
            await asyncio.sleep(0.01)
        before = len(asked)
        await asyncio.sleep(0.2)
        assert len(asked) - before < 12, "twenty watchers cost what one does"
        assert not any(task.done() for task in watchers), "nothing has happened yet"
        await desk.owe()
        await asyncio.gather(*watchers)
        assert live._poller is not None
        await live._poller
    assert not live._topics, "nobody watches, nobody asks"


async def test_a_deliverys_page_hears_of_that_delivery_alone(desk: Office) -> None:
    mine, other = await desk.owe("mine"), await desk.owe("other")
    live = Live(Desk(desk.ringback), every=0.05)
    async with asyncio.timeout(20), aclosing(live.changes(mine, lasts=20)) as changes:
        await anext(changes)
        waiting = asyncio.ensure_future(anext(changes))
        while mine not in live._marks:
            await asyncio.sleep(0.01)
        await desk.attempt(other, State.DELIVERED)
        await asyncio.sleep(0.3)
        assert not waiting.done()
        await desk.attempt(mine, State.DELIVERED)
        await waiting


async def test_a_stream_ends_by_itself(desk: Office) -> None:
    live = Live(Desk(desk.ringback), every=0.05)
    async with asyncio.timeout(20):
        [standing] = [news async for news in live.changes(EVERYTHING, lasts=0.3)]
        assert not standing.is_change


async def test_what_happened_between_two_streams_is_told_by_the_second(desk: Office) -> None:
    live = Live(Desk(desk.ringback), every=0.05)
    async with asyncio.timeout(20):
        [before] = [news async for news in live.changes(EVERYTHING, lasts=0.3)]
        [same] = [news async for news in live.changes(EVERYTHING, since=before.mark, lasts=0.3)]
        await desk.owe()
        [after] = [news async for news in live.changes(EVERYTHING, since=before.mark, lasts=0.3)]
    assert (same.is_change, after.is_change) == (False, True)


async def test_only_so_many_may_watch(desk: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_live, "WATCHERS", 1)
    operator = desk.operator
    async with operator.client.stream("GET", f"{operator.base}/live") as first:
        assert first.headers["content-type"].startswith("text/event-stream")
        assert await anext(first.aiter_lines()) == "retry: 1000"
        async with asyncio.timeout(20):
            status = 0
            while status != 204:  # the first is counted a moment after its head is here
                with suppress(TimeoutError):
                    status = (await asyncio.wait_for(operator.get("/live"), 1)).status_code


async def test_strangers_hear_nothing(office: Office) -> None:
    assert (await office.operator.get("/live")).status_code == 303
