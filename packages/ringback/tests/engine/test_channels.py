"""Other effects of the app ride on the same outbox: what handlers say, and what happens when they fail."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from ringback import Delivery, Outcome, RetrySchedule, Ringback, RingbackError
from ringback.testing import assert_delivered

PAYLOAD = {"subject": "Rechnung № 1", "lines": [1, 2.5, None]}


class Handler:
    """A channel's handler that takes the outcomes from a list and keeps what it was given."""

    def __init__(self, *outcomes: Outcome | Exception) -> None:
        self.outcomes = list(outcomes)
        self.seen: list[Delivery] = []

    async def __call__(self, delivery: Delivery) -> Outcome:
        self.seen.append(delivery)
        outcome = self.outcomes.pop(0) if self.outcomes else Outcome.delivered("250 queued")
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


async def enqueue(shop: Any, *, key: str | None = None, **options: Any) -> Delivery:
    ringback: Ringback = shop.ringback
    async with ringback.transaction() as session:
        return await ringback.enqueue(session, "mail", PAYLOAD, to="customer@example.org", key=key, **options)


async def test_the_handler_gets_the_frozen_payload_and_its_word_counts(shop: Any) -> None:
    handler = Handler()
    shop.ringback.channel("mail", handler)
    delivery = await enqueue(shop, key="invoice:1:sent", owner="acme")
    await shop.drain()
    [seen] = handler.seen
    assert (seen.id, seen.channel, seen.owner, seen.attempt) == (delivery.id, "mail", "acme", 1)
    assert (seen.destination, seen.key) == ("customer@example.org", "invoice:1:sent")
    assert seen.body == '{"subject":"Rechnung № 1","lines":[1,2.5,null]}'.encode()
    [report] = await assert_delivered(shop.ringback, key="invoice:1:sent", owner="acme")
    assert report.verdict == "250 queued"


async def test_a_rollback_takes_it_along(shop: Any) -> None:
    handler = Handler()
    shop.ringback.channel("mail", handler)
    async with AsyncSession(shop.ringback.engine) as session:
        await shop.ringback.enqueue(session, "mail", PAYLOAD, to="a@example.org")
        await session.rollback()
    await shop.drain()
    assert handler.seen == []


async def test_outcomes_lead_to_again_and_to_the_end(shop: Any) -> None:
    handler = Handler(
        Outcome.retry("451 busy"),
        Outcome.retry("450 grey", retry_after=900.0),
        Outcome.dead("550 no such user"),
    )
    shop.ringback.channel("mail", handler)
    delivery = await enqueue(shop)
    await shop.drain()
    report = await shop.report()
    assert (report.state, report.verdict) == ("pending", "451 busy")
    shop.clock.now = report.next_attempt_at
    await shop.drain()
    assert (await shop.report()).next_attempt_at >= shop.clock.now + 900
    await shop.drain(whole_schedule=True)
    report = await shop.report()
    assert (report.state, report.verdict, report.attempts) == ("dead", "550 no such user", 3)
    assert {seen.id for seen in handler.seen} == {delivery.id}


async def test_an_exception_means_try_again(shop: Any) -> None:
    handler = Handler(ConnectionRefusedError("port 25"))
    shop.ringback.channel("mail", handler)
    delivery = await enqueue(shop)
    await shop.drain(whole_schedule=True)
    await assert_delivered(shop.ringback)
    first, _ = await shop.attempts(delivery.id)
    assert first.verdict == "the attempt raised ConnectionRefusedError: port 25"


async def test_a_handler_that_never_ends_is_cut_off(shop: Any) -> None:
    endless = asyncio.Event()

    async def handler(delivery: Delivery) -> Outcome:
        if delivery.attempt == 1:
            await endless.wait()
        return Outcome.delivered()

    shop.ringback.channel("mail", handler, timeout=0.05)
    await enqueue(shop)
    await shop.drain()
    report = await shop.report()
    assert (report.state, report.verdict) == ("pending", "no end after 0.05 s")
    await shop.drain(whole_schedule=True)
    await assert_delivered(shop.ringback)


async def test_a_channel_may_have_its_own_schedule(shop: Any) -> None:
    handler = Handler(*[Outcome.retry("no")] * 5)
    shop.ringback.channel("mail", handler, schedule=RetrySchedule((0.0, 60.0, 60.0), jitter=0.0))
    await enqueue(shop)
    await shop.drain()
    assert (await shop.report()).next_attempt_at == shop.clock.now + 60
    await shop.drain(whole_schedule=True)
    report = await shop.report()
    assert (report.state, report.verdict) == ("dead", "given up after 3 attempts: no")


async def test_a_handler_may_take_longer_than_a_callback(open_shop: Any) -> None:
    """The lease must outlive the channel's longest attempt, or two workers make it side by side."""
    leases: list[float] = []
    async with open_shop() as shop:

        async def render(_delivery: Delivery) -> Outcome:
            async with shop.ringback.engine.connect() as connection:
                rows = await connection.execute(text("SELECT lease_until FROM ringback_deliveries"))
                leases.append(rows.scalar_one() - shop.clock.now)
            return Outcome.delivered()

        shop.ringback.channel("render", render, timeout=600.0)
        async with shop.ringback.transaction() as session:
            await shop.ringback.enqueue(session, "render", {}, to="x")
        await shop.drain()
    assert leases
    assert leases[0] > 600.0


async def test_a_key_makes_one_delivery_of_many(shop: Any) -> None:
    handler = Handler()
    shop.ringback.channel("mail", handler)
    first = await enqueue(shop, key="invoice:1:sent")
    again = await enqueue(shop, key="invoice:1:sent")
    other = await enqueue(shop, key="invoice:1:sent", owner="other")
    assert again.id == first.id
    assert other.id != first.id
    await shop.drain()
    assert len(handler.seen) == 2


async def test_not_before_holds_it_back(shop: Any) -> None:
    handler = Handler()
    shop.ringback.channel("mail", handler)
    await enqueue(shop, not_before=timedelta(days=14))
    await shop.drain()
    assert handler.seen == []
    shop.clock.advance(14 * 86_400)
    await shop.drain()
    assert len(handler.seen) == 1


async def test_a_channel_that_is_not_registered_is_refused_when_enqueuing(shop: Any) -> None:
    with pytest.raises(RingbackError, match=r"No channel 'mail': call ringback\.channel"):
        await enqueue(shop)


async def test_a_channel_that_this_worker_does_not_know_is_tried_again_and_disturbs_nobody(
    open_shop: Any, receiver: Any
) -> None:
    async with open_shop(worker="external", running=False) as shop:
        shop.ringback.channel("mail", Handler())
        await enqueue(shop)
        await shop.bind("a", receiver.url)
        await shop.send("a")
    async with open_shop() as shop:
        await shop.drain()
        mail, callback = await shop.reports()
        assert callback.state == "delivered"
        assert mail.state == "pending"
        assert "no channel 'mail' is registered in this worker" in mail.verdict
        shop.ringback.channel("mail", Handler())
        await shop.drain(whole_schedule=True)
        await assert_delivered(shop.ringback, times=2)


@pytest.mark.parametrize("name", ["http", "two words", "", "x" * 33])
async def test_a_name_that_cannot_be_a_channels_is_refused(shop: Any, name: Any) -> None:
    with pytest.raises(RingbackError, match="cannot name a channel"):
        shop.ringback.channel(name, Handler())
