"""Three days of retries in a moment, with the fixtures that every user of the library gets."""

import time
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from pydantic import BaseModel

from ringback import Exchange, RetrySchedule, Ringback
from ringback.receiver import Receiver
from ringback.testing import Clock, LocalReceiver, assert_delivered, drain

HOUR = 3600.0


class Event(BaseModel):
    paid: bool


class Received(BaseModel):
    ok: bool


router = APIRouter()


@router.post("{$callback_url}", response_model=Received)
def notification(body: Event) -> Any: ...


@pytest.fixture
async def ringback(sqlite_url: str, ringback_clock: Clock) -> Any:
    app = FastAPI()

    @app.post("/invoices/", callbacks=router.routes)
    def create_invoice(callback_url: str) -> None: ...

    made = Ringback(app, database=sqlite_url, allow_networks=["127.0.0.0/8"], now=ringback_clock)
    async with made.running():
        yield made
    await made.engine.dispose()


async def send(ringback: Ringback, url: str) -> None:
    async with ringback.transaction() as session:
        exchange = Exchange(query={"callback_url": url})
        await ringback.bind(session, "create_invoice_invoices__post", key="1", exchange=exchange)
        await ringback.to(session, key="1").send(notification, Event(paid=True))


async def test_the_whole_schedule_passes_in_a_moment_with_the_clock_in_every_signature(
    ringback: Ringback, ringback_clock: Clock, ringback_receiver: LocalReceiver
) -> None:
    ringback_receiver.behave("500")
    async with ringback.transaction() as session:
        verify = Receiver(await ringback.signing_secret(session), clock=ringback_clock).verify
    began, really = ringback_clock.now, time.monotonic()
    await send(ringback, ringback_receiver.url)
    await drain(ringback, clock=ringback_clock)
    took = time.monotonic() - really
    requests = ringback_receiver.requests
    assert len(requests) == 10
    assert 75 * HOUR * 0.8 < ringback_clock.now - began < 75 * HOUR * 1.2
    assert took < 10
    times = [int(request.headers["webhook-timestamp"]) for request in requests]
    assert times == sorted(set(times))
    assert verify(requests[-1].headers, requests[-1].body, requests[-1].target).json() == {"paid": True}
    assert len({request.id for request in requests}) == 1
    with pytest.raises(
        AssertionError, match=r"dead after 10 attempts, given up after 10 attempts: answered 500"
    ):
        await assert_delivered(ringback, key="1")


def test_the_plan_of_the_schedule_is_75_hours() -> None:
    assert 75 <= sum(RetrySchedule().delays) / HOUR < 76


async def test_a_receiver_that_recovers_has_it_delivered_at_the_next_attempt(
    ringback: Ringback, ringback_clock: Clock, ringback_receivers: Any
) -> None:
    receiver = ringback_receivers("reset", "429:retry-after=7200", "redirect", "not-ok")
    began = ringback_clock.now
    await send(ringback, receiver.url)
    await drain(ringback, clock=ringback_clock)
    [report] = await assert_delivered(ringback, key="1", callback="notification")
    assert report.attempts == 4
    assert ringback_clock.now - began > 7200
    assert [request.target for request in receiver.requests] == ["/"] * 4


async def test_what_is_not_due_yet_is_left_alone_without_a_clock(
    ringback: Ringback, ringback_receivers: Any
) -> None:
    receiver = ringback_receivers("500", "ok")
    await send(ringback, receiver.url)
    await drain(ringback)
    assert len(receiver.requests) == 1
    with pytest.raises(AssertionError, match="pending after 1 attempts"):
        await assert_delivered(ringback)
    assert await assert_delivered(ringback, key="nobody", times=0) == []
