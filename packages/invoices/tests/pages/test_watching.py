"""News for open pages: who gets them, how many may ask, and that they come from the database."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import aclosing, asynccontextmanager, closing
from typing import Any

import httpx
import pytest
from testkit.shop import Shop

from invoices.pages.watching import Watchers

pytestmark = pytest.mark.asyncio(loop_scope="module")


def _news_of(page: str) -> str:
    return page.partition('data-news="')[2].partition('"')[0]


@asynccontextmanager
async def _listening(shop: Shop, path: str) -> AsyncIterator[tuple[httpx.Response, AsyncIterator[str]]]:
    async with shop.browser.stream("GET", f"{shop.url}{path}") as answer:
        yield answer, answer.aiter_lines()


async def _first_event(lines: AsyncIterator[str]) -> str:
    async with asyncio.timeout(10):
        async for line in lines:
            if line.startswith("event:"):
                return line
    raise AssertionError("the stream ended without an event")


def _promise_payment(database: str, invoice_id: str) -> None:
    with closing(sqlite3.connect(database, timeout=5)) as other, other:
        other.execute("UPDATE invoices SET status = 'processing' WHERE id = ?", (invoice_id,))


async def _watching(shop: Shop, count: int) -> None:
    async def are_so_many() -> bool:
        return len(shop.app.state.watchers) == count

    await shop.until(are_so_many)


async def test_an_open_page_is_told_of_the_payment_and_only_that_something_has_changed(shop: Shop) -> None:
    invoice = await shop.invoice()
    path = _news_of((await shop.browser.get(invoice["pay_url"])).text)
    async with _listening(shop, path) as (answer, lines):
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        await shop.decide(await shop.begin(invoice), "approve")
        assert await _first_event(lines) == "event: changed"
        assert [line async for line in lines] == ["data:", ""]
    await _watching(shop, 0)


async def test_a_change_between_the_page_and_its_stream_is_not_missed(shop: Shop) -> None:
    invoice = await shop.invoice()
    path = _news_of((await shop.browser.get(invoice["pay_url"])).text)
    await shop.browser.post(f"{shop.url}/invoices/{invoice['id']}/void")
    async with _listening(shop, path) as (_, lines):
        assert await _first_event(lines) == "event: changed"


async def test_the_news_may_come_from_another_process(shop: Shop) -> None:
    invoice = await shop.invoice()
    path = _news_of((await shop.browser.get(invoice["pay_url"])).text)
    database = shop.app.state.engine.url.database
    async with _listening(shop, path) as (_, lines):
        await _watching(shop, 1)
        await asyncio.to_thread(_promise_payment, database, invoice["id"])
        assert await _first_event(lines) == "event: changed"


async def test_whoever_leaves_gives_the_place_back(shop: Shop) -> None:
    invoice = await shop.invoice()
    path = _news_of((await shop.browser.get(invoice["pay_url"])).text)
    async with _listening(shop, path):
        await _watching(shop, 1)
    await _watching(shop, 0)


async def test_where_no_place_is_left_a_browser_is_told_not_to_ask_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shop.app.state.watchers, "_most_of_one", 1)
    invoice, other = await shop.invoice(), await shop.invoice()
    path, others = [_news_of((await shop.browser.get(one["pay_url"])).text) for one in (invoice, other)]
    async with _listening(shop, path):
        await _watching(shop, 1)
        assert (await shop.browser.get(f"{shop.url}{path}")).status_code == 204
        async with _listening(shop, others) as (answer, _):
            assert answer.status_code == 200
    await _watching(shop, 0)


async def test_a_link_that_opens_nothing_has_no_news(shop: Shop) -> None:
    assert (await shop.browser.get(f"{shop.url}/pay/unknown/events")).status_code == 404


class Counted:
    """Invoices that all stand in one way, and how often somebody has looked."""

    def __init__(self) -> None:
        self.standing = "open.0.0"
        self.looks: list[set[int]] = []
        self.trouble: Exception | None = None

    async def __call__(self, pks: Collection[int]) -> Mapping[int, str]:
        self.looks.append(set(pks))
        if self.trouble:
            raise self.trouble
        return dict.fromkeys(pks, self.standing)


async def _events(watchers: Watchers, pk: int) -> list[bytes]:
    return [event async for event in watchers.events(pk, "open.0.0")]


async def test_all_who_watch_share_one_look_and_nobody_looks_for_nobody() -> None:
    counted = Counted()
    watchers = Watchers(counted, most=100, most_of_one=50, every=0.01)
    waiting = [asyncio.create_task(_events(watchers, pk)) for pk in (1, 2) for _ in range(50)]
    while len(counted.looks) < 5:
        await asyncio.sleep(0.01)
    assert not watchers.has_place(3)
    assert counted.looks[-1] == {1, 2}
    before = len(counted.looks)
    counted.standing = "paid.1.0"
    told: list[Any] = await asyncio.gather(*waiting)
    assert {tuple(events) for events in told} == {(b"retry: 3000\n\n", b"event: changed\ndata:\n\n")}
    assert len(counted.looks) - before < 10
    await asyncio.sleep(0.05)
    ended = len(counted.looks)
    await asyncio.sleep(0.05)
    assert len(counted.looks) == ended
    assert watchers.has_place(3)


async def test_a_stream_ends_by_itself_and_says_meanwhile_that_it_is_there() -> None:
    watchers = Watchers(Counted(), every=0.01, lasts=0.1, breath=0.02)
    events = await _events(watchers, 1)
    assert events[0] == b"retry: 3000\n\n"
    assert set(events[1:]) == {b": nothing new\n\n"}
    assert len(events) > 3


async def test_a_database_that_cannot_be_asked_for_a_while_ends_nothing() -> None:
    counted = Counted()
    counted.trouble = OSError("no route")
    watchers = Watchers(counted, every=0.01)
    async with aclosing(watchers.events(1, "open.0.0")) as events:  # type: ignore[type-var]
        assert await anext(events) == b"retry: 3000\n\n"
        following = asyncio.ensure_future(anext(events))
        while len(counted.looks) < 3:
            await asyncio.sleep(0.01)
        counted.trouble, counted.standing = None, "void.0.0"
        assert await following == b"event: changed\ndata:\n\n"


async def test_an_invoice_that_is_gone_is_news() -> None:
    async def nothing(_pks: Collection[int]) -> Mapping[int, str]:
        return {}

    assert len(await _events(Watchers(nothing, every=0.01), 1)) == 2


async def test_a_server_that_stops_ends_the_streams() -> None:
    watchers = Watchers(Counted())
    events = asyncio.create_task(_events(watchers, 1))
    while not len(watchers):
        await asyncio.sleep(0.01)
    await watchers.close()
    async with asyncio.timeout(1):
        assert await events == [b"retry: 3000\n\n"]
