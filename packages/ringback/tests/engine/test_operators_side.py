"""Steering many deliveries and endpoints by Python: in the caller's transaction, on both databases."""

from typing import Any

import pytest

from ringback import Filter, RingbackError, State
from ringback.testing import LocalReceiver

Shop = Any


async def dead(shop: Shop, receiver: LocalReceiver, *keys: str, **how: Any) -> list[str]:
    """Let deliveries under these keys die of an answer that says so."""
    receiver.behave("410")
    ids = [await shop.owe(key, receiver.url, **how) for key in keys]
    await shop.drain()
    receiver.behave("ok")
    return ids


async def states(shop: Shop) -> list[str]:
    return [report.state for report in await shop.reports()]


async def test_all_that_match_are_sent_again(shop: Shop, receiver: LocalReceiver) -> None:
    await dead(shop, receiver, "a", "b", owner="acme")
    await dead(shop, receiver, "c", owner="bolt")
    async with shop.ringback.transaction() as session:
        assert await shop.ringback.enable_endpoint(session, receiver.url, owner="acme")
        done = await shop.ringback.replay_all(session, Filter(owner="acme"))
    assert (done.count, done.after) == (2, None)
    await shop.drain()
    assert await states(shop) == ["delivered", "delivered", "dead"]


async def test_a_rollback_takes_the_replay_with_it(shop: Shop, receiver: LocalReceiver) -> None:
    await dead(shop, receiver, "a")
    async with shop.ringback.transaction() as session:
        assert (await shop.ringback.replay_all(session, Filter())).count == 1
        await session.rollback()
    assert await states(shop) == ["dead"]


async def test_batches_meet_each_once_though_it_dies_again(shop: Shop, receiver: LocalReceiver) -> None:
    await dead(shop, receiver, "a", "b", "c")
    after: int | None = 0
    counts: list[int] = []
    while after is not None:
        async with shop.ringback.transaction() as session:
            batch = await shop.ringback.replay_all(session, Filter(), after=after, limit=2)
        await shop.drain()
        after, counts = batch.after, [*counts, batch.count]
    assert counts == [2, 1]
    assert await states(shop) == ["dead"] * 3, "the endpoint is disabled, so they died again"


async def test_a_rate_spreads_when_they_are_due(open_shop: Any, receiver: LocalReceiver, clock: Any) -> None:
    async with open_shop(running=False, worker="external") as shop:
        for key in ("a", "b", "c"):
            await shop.owe(key, "http://127.0.0.1:9")
        async with shop.ringback.transaction() as session:
            for report in await shop.ringback.deliveries(session):
                assert await shop.ringback.cancel(session, report.id)
            wanted = Filter(states=(State.CANCELLED,))
            assert (await shop.ringback.replay_all(session, wanted, rate=2.0)).count == 3
        dues = [report.next_attempt_at - clock() for report in await shop.reports()]
        assert dues == pytest.approx([0.0, 0.5, 1.0])


@pytest.mark.parametrize(
    ("wanted", "figures", "words"),
    [
        (Filter(states=(State.PENDING,)), {}, "that is pending has not ended"),
        (Filter(), {"limit": 0}, "give figures above 0"),
        (Filter(), {"rate": 0.0}, "give figures above 0"),
        (Filter(), {"rate": float("nan")}, "give figures above 0"),
    ],
)
async def test_what_could_not_be_meant_is_refused(
    shop: Shop, wanted: Filter, figures: dict[str, Any], words: str
) -> None:
    async with shop.ringback.transaction() as session:
        with pytest.raises(RingbackError, match=words):
            await shop.ringback.replay_all(session, wanted, **figures)


async def test_endpoints_are_listed_disabled_and_enabled(shop: Shop, receiver: LocalReceiver) -> None:
    receiver.behave("ok")
    await shop.owe("a", receiver.url, owner="acme")
    await shop.drain()
    async with shop.ringback.transaction() as session:
        await shop.ringback.disable_endpoint(session, receiver.url, owner="acme", reason="moving")
        [endpoint] = await shop.ringback.endpoints(session, owner="acme")
        assert (endpoint.url, endpoint.disabled_reason, endpoint.delivered) == (
            f"{receiver.url}/",
            "moving",
            1,
        )
        assert await shop.ringback.endpoints(session, owner="bolt") == []
    await shop.send("a", owner="acme")
    await shop.drain()
    assert await states(shop) == ["delivered", "dead"]
    async with shop.ringback.transaction() as session:
        assert await shop.ringback.enable_endpoint(session, receiver.url, owner="acme")
        assert not await shop.ringback.enable_endpoint(session, "https://nobody.example", owner="acme")
        assert (await shop.ringback.replay_all(session, Filter(endpoint=receiver.url))).count == 1
    await shop.drain()
    assert await states(shop) == ["delivered", "delivered"]
