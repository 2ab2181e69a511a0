"""What each behaviour of a receiver leads to, and when the next attempt comes."""

import itertools
import json
from email.utils import formatdate
from typing import Any

import pytest
from standardwebhooks import WebhookVerificationError

from ringback import RetrySchedule
from ringback._schedule import STANDARD_DELAYS
from ringback.testing import LocalReceiver, assert_delivered

DAY = 86_400.0


@pytest.mark.parametrize(
    ("behaviour", "verdict"),
    [
        ("500", "answered 500"),
        ("404", "answered 404: no receiver at this path"),
        ("redirect", "answered 302: redirects are not followed"),
        ("reset", "reset:"),
        ("hang", "timeout:"),
        ("drip", "timeout:"),
    ],
)
async def test_what_is_no_success_is_tried_again(open_shop: Any, behaviour: Any, verdict: Any) -> None:
    async with open_shop(attempt_timeout=0.3 if verdict == "timeout:" else 20.0) as shop:
        with LocalReceiver(behaviour, "ok") as receiver:
            message_id = await shop.owe("a", receiver.url)
            await shop.drain()
            report = await shop.report()
            assert (report.state, report.attempts) == ("pending", 1)
            assert report.verdict.startswith(verdict)
            assert report.next_attempt_at == pytest.approx(shop.clock.now + 5, abs=1.01)
            await shop.drain(whole_schedule=True)
            await assert_delivered(shop.ringback)
            assert [r.target for r in receiver.requests] == ["/invoices/a"] * 2
            assert {r.id for r in receiver.requests} == {message_id}
        outcomes = [attempt.outcome for attempt in await shop.attempts(message_id)]
        assert outcomes == ["retry", "delivered"]


async def test_nobody_listening_is_tried_again(shop: Any) -> None:
    with LocalReceiver() as receiver:
        url = receiver.url
    await shop.owe("a", url)
    await shop.drain()
    report = await shop.report()
    assert report.state == "pending"
    assert report.verdict.startswith("connect refused")
    with receiver:
        await shop.drain(whole_schedule=True)
    await assert_delivered(shop.ringback)


async def test_an_answer_that_breaks_the_document_is_delivered_and_the_breach_is_shown(shop: Any) -> None:
    with LocalReceiver("wrong-shape") as receiver:
        await shop.owe("a", receiver.url)
        await shop.drain()
    report = await shop.report()
    assert (report.state, report.verdict) == ("delivered", "answered 200, not as documented")
    assert report.breach
    [attempt] = await shop.attempts(report.id)
    assert json.loads(attempt.response) == [{"unheard": "of"}]
    with pytest.raises(AssertionError, match="delivered after 1 attempts"):
        await assert_delivered(shop.ringback)


async def test_any_documented_answer_counts_unless_the_app_says_otherwise(shop: Any) -> None:
    with LocalReceiver("not-ok") as receiver:
        await shop.owe("a", receiver.url)
        await shop.drain()
        await assert_delivered(shop.ringback, key="a")
        shop.ringback.acknowledge(shop.event()[0], lambda answer: bool(answer.ok))
        await shop.owe("b", receiver.url)
        await shop.drain()
        report = await shop.report("b")
        assert (report.state, report.verdict) == ("pending", "answered 200, but did not acknowledge")
        receiver.behave("ok")
        await shop.drain(whole_schedule=True)
        await assert_delivered(shop.ringback, key="b")


async def test_a_predicate_that_raises_does_not_lose_the_delivery(shop: Any, receiver: Any) -> None:
    shop.ringback.acknowledge(shop.event()[0], lambda answer: answer.no_such_field)
    await shop.owe("a", receiver.url)
    await shop.drain()
    report = await shop.report()
    assert report.state == "delivered"
    assert "predicate raised AttributeError" in report.breach


async def test_a_receiver_that_is_down_for_good_is_given_up_after_the_whole_schedule(
    shop: Any, verified: Any
) -> None:
    began = shop.clock.now
    with LocalReceiver("500") as receiver:
        message_id = await shop.owe("a", receiver.url)
        await shop.drain(whole_schedule=True)
        requests = receiver.requests
    report = await shop.report()
    assert (report.state, report.attempts) == ("dead", len(STANDARD_DELAYS))
    assert report.verdict == "given up after 10 attempts: answered 500"
    starts = [attempt.started_at for attempt in await shop.attempts(message_id)]
    gaps = [later - earlier for earlier, later in itertools.pairwise(starts)]
    for gap, planned in zip(gaps, STANDARD_DELAYS[1:], strict=True):
        assert 0.8 * planned <= gap <= 1.2 * planned
    assert starts[-1] - began < 91 * 3600
    # The id and the body stay, byte by byte; the timestamp is new each time.
    assert {request.id for request in requests} == {message_id}
    assert len({request.body for request in requests}) == 1
    stamps = [int(request.headers["webhook-timestamp"]) for request in requests]
    assert stamps == [int(start) for start in starts]
    assert verified(requests[0], await shop.secret())


@pytest.mark.parametrize(
    ("wish", "least", "most"),
    [
        ("600", 600, 600),
        ("1", 4, 6),
        ("-5", 4, 6),
        ("soon", 4, 6),
        ("1000000000000", DAY, DAY),
        ("", 4, 6),
    ],
)
async def test_retry_after_makes_the_wait_longer_and_never_shorter(
    shop: Any, wish: Any, least: Any, most: Any
) -> None:
    with LocalReceiver(f"429:retry-after={wish}") as receiver:
        await shop.owe("a", receiver.url)
        await shop.drain()
    report = await shop.report()
    assert least <= report.next_attempt_at - shop.clock.now <= most


async def test_retry_after_may_be_a_date(shop: Any) -> None:
    with LocalReceiver() as receiver:
        receiver.behave("503:retry-after=" + formatdate(shop.clock.now + 7200, usegmt=True).replace(",", ""))
        await shop.owe("a", receiver.url)
        await shop.drain()
    report = await shop.report()
    assert report.next_attempt_at - shop.clock.now == pytest.approx(7200, abs=1)


async def test_410_ends_the_delivery_and_disables_only_that_owners_endpoint(shop: Any) -> None:
    with LocalReceiver("ok") as receiver:
        receiver.behave("410", path="/gone")
        await shop.bind("a", f"{receiver.url}/gone", owner="acme")
        await shop.send("a", "first", owner="acme")
        await shop.send("a", "second", owner="acme")
        await shop.drain()
        first, second = await shop.reports("a")
        assert (first.state, first.attempts) == ("dead", 1)
        assert first.verdict.startswith("answered 410")
        assert (second.state, second.attempts) == ("dead", 0)
        assert second.verdict == "the endpoint is disabled; enable it, then replay"
        # The same base URL of somebody else, and another base URL of the same owner, are called as before.
        receiver.behave("ok", path="/gone")
        await shop.owe("b", f"{receiver.url}/gone", owner="other")
        await shop.owe("c", f"{receiver.url}/here", owner="acme")
        await shop.owe("d", f"{receiver.url}/gone", owner="acme")
        await shop.drain()
        await assert_delivered(shop.ringback, key="b")
        await assert_delivered(shop.ringback, key="c")
        assert (await shop.report("d")).state == "dead"
        assert sorted(r.target for r in receiver.requests) == [
            "/gone/invoices/a",
            "/gone/invoices/b",
            "/here/invoices/c",
        ]


async def test_an_own_schedule_is_followed(open_shop: Any, receiver: Any) -> None:
    async with open_shop(schedule=RetrySchedule((0.0, 7.0), jitter=0.0)) as shop:
        receiver.behave("500")
        await shop.owe("a", receiver.url)
        await shop.drain()
        assert (await shop.report()).next_attempt_at == shop.clock.now + 7
        await shop.drain(whole_schedule=True)
        assert (await shop.report()).verdict == "given up after 2 attempts: answered 500"


async def test_a_url_that_turns_inside_later_is_blocked_at_the_attempt(
    open_shop: Any, receiver: Any, database_url: Any
) -> None:
    async with open_shop() as shop:
        receiver.behave("500", "ok")
        await shop.owe("a", receiver.url)
        await shop.drain()
    async with open_shop(allow_networks=[]) as shop:
        shop.clock.advance(10)
        await shop.drain()
        report = await shop.report()
    assert report.verdict.startswith("blocked:")
    assert len(receiver.requests) == 1


async def test_during_a_rotation_both_secrets_sign_and_afterwards_only_the_new_one(
    open_shop: Any, verified: Any
) -> None:
    async with open_shop() as shop:
        with LocalReceiver("ok") as receiver:
            old = await shop.secret()
            async with shop.ringback.transaction() as session:
                new = await shop.ringback.rotate_secret(session, overlap=60.0)
            await shop.owe("a", receiver.url)
            await shop.drain()
    async with open_shop() as shop:  # a worker remembers secrets for some seconds; this one is new
        with LocalReceiver("ok") as second:
            shop.clock.advance(61)
            await shop.owe("b", second.url)
            await shop.drain()
    for secret in (old, new):
        assert verified(receiver.requests[0], secret)
    assert verified(second.requests[0], new)
    with pytest.raises(WebhookVerificationError):
        verified(second.requests[0], old)
