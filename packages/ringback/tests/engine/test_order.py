"""One target's callbacks arrive in order, whatever happens to them; nobody else waits for them."""

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest

from ringback.testing import LocalReceiver, assert_delivered


def descriptions(receiver: Any, *, behaviour: str = "ok") -> list[str]:
    return [r.json()["description"] for r in receiver.requests if r.behaviour == behaviour]


async def send_all(shop: Any, key: str, words: Iterable[str], **options: Any) -> None:
    for word in words:
        assert await shop.send(key, word, **options)


async def test_the_callbacks_of_a_target_arrive_in_the_order_of_their_transactions(
    shop: Any, receiver: Any
) -> None:
    await shop.bind("a", receiver.url)
    words = [str(number) for number in range(20)]
    await send_all(shop, "a", words)
    await shop.drain()
    assert descriptions(receiver) == words


async def test_later_ones_wait_while_an_earlier_one_fails(shop: Any) -> None:
    with LocalReceiver("500", "reset", "500", "ok", "500", "ok") as receiver:
        await shop.bind("a", receiver.url)
        await send_all(shop, "a", "123")
        await shop.drain()
        assert [r.json()["description"] for r in receiver.requests] == ["1"]
        assert [report.state for report in await shop.reports()] == ["pending", "waiting", "waiting"]
        await shop.drain(whole_schedule=True)
        assert [r.json()["description"] for r in receiver.requests] == ["1", "1", "1", "1", "2", "2", "3"]
    await assert_delivered(shop.ringback, key="a", times=3)


async def test_when_an_earlier_one_is_given_up_the_later_ones_go_on(shop: Any) -> None:
    with LocalReceiver(*["500"] * 10, "ok") as receiver:
        await shop.bind("a", receiver.url)
        await send_all(shop, "a", "123")
        await shop.drain(whole_schedule=True)
        assert descriptions(receiver) == ["2", "3"]
    assert [report.state for report in await shop.reports()] == ["dead", "delivered", "delivered"]


async def test_after_two_days_down_everything_arrives_in_order(shop: Any) -> None:
    with LocalReceiver("503") as receiver:
        for key in ("a", "b", "c"):
            await shop.bind(key, receiver.url)
            await send_all(shop, key, [f"{key}{number}" for number in range(5)])
        # Less than the schedule at its shortest jitter: nothing is given up before the receiver is back.
        end = shop.clock.now + 2 * 86_400
        while shop.clock.now < end:
            shop.clock.advance(3600)
            await shop.drain()
        receiver.behave("ok")
        await shop.drain(whole_schedule=True)
        arrived = descriptions(receiver)
    for key in ("a", "b", "c"):
        assert [word for word in arrived if word[0] == key] == [f"{key}{number}" for number in range(5)]
    await assert_delivered(shop.ringback, times=15)


async def test_another_target_does_not_wait(shop: Any) -> None:
    with LocalReceiver() as receiver:
        receiver.behave("500", path="/invoices/a")
        for key in ("a", "b"):
            await shop.bind(key, receiver.url)
            await send_all(shop, key, [f"{key}{number}" for number in range(3)])
        await shop.drain()
        assert descriptions(receiver) == ["b0", "b1", "b2"]


async def test_an_unordered_one_passes_those_that_wait(shop: Any) -> None:
    with LocalReceiver("500", "ok") as receiver:
        await shop.bind("a", receiver.url)
        await send_all(shop, "a", ["first"])
        await shop.drain()
        await send_all(shop, "a", ["second"])
        await send_all(shop, "a", ["urgent"], ordered=False)
        await shop.drain()
        assert descriptions(receiver) == ["urgent"]
        await shop.drain(whole_schedule=True)
        assert descriptions(receiver) == ["urgent", "first", "second"]


async def test_what_waits_behind_a_cancelled_one_goes_on(open_shop: Any) -> None:
    async with open_shop(figures={"upkeep": 0.05}) as shop:
        with LocalReceiver("500", "ok") as receiver:
            await shop.bind("a", receiver.url)
            await send_all(shop, "a", ["first", "second"])
            await shop.drain()
            first, _ = await shop.reports()
            async with shop.ringback.transaction() as session:
                assert await shop.ringback.cancel(session, first.id)
                assert not await shop.ringback.cancel(session, first.id)
            requests = await receiver.received(2)
            assert requests[1].json()["description"] == "second"
            await shop.drain()
        assert [report.state for report in await shop.reports()] == ["cancelled", "delivered"]


async def test_transactions_that_overlap_keep_the_order_in_which_they_took_the_target(
    shop: Any, receiver: Any
) -> None:
    """The second waits for the first one's lock, so commit order is delivery order."""
    await shop.bind("a", receiver.url)
    taken = asyncio.Event()

    async def first() -> None:
        async with shop.ringback.transaction() as session:
            await shop.ringback.to(session, key="a").send(*shop.event("first"))
            taken.set()
            await shop.ringback.deliveries(session)

    async def second() -> None:
        await taken.wait()
        await shop.send("a", "second")

    await asyncio.gather(first(), second())
    await shop.drain()
    assert descriptions(receiver) == ["first", "second"]


@pytest.mark.parametrize("times", [1, 2])
async def test_a_replay_sends_the_same_again_once_for_each_click(
    shop: Any, receiver: Any, times: Any
) -> None:
    message_id = await shop.owe("a", receiver.url)
    await shop.drain()

    async def click() -> bool:
        async with shop.ringback.transaction() as session:
            return bool(await shop.ringback.replay(session, message_id))

    clicks = await asyncio.gather(*(click() for _ in range(times)))
    await shop.drain()
    assert any(clicks)
    assert len(receiver.requests) == 1 + sum(clicks)
    assert {request.id for request in receiver.requests} == {message_id}
    assert {request.body for request in receiver.requests} == {receiver.requests[0].body}
    attempts = await shop.attempts(message_id)
    assert [a.trigger for a in attempts] == ["schedule"] + ["replay"] * sum(clicks)


async def test_what_is_open_cannot_be_replayed_and_what_is_unknown_neither(shop: Any) -> None:
    with LocalReceiver("500") as receiver:
        message_id = await shop.owe("a", receiver.url)
        await shop.drain()
    async with shop.ringback.transaction() as session:
        assert not await shop.ringback.replay(session, message_id)
        assert not await shop.ringback.replay(session, "msg_404")
