from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from docs_src.testing.shop import create_app
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient

from ringback import Ringback
from ringback.receiver import Receiver
from ringback.testing import Clock, LocalReceiver, assert_delivered, drain


@pytest.fixture
async def app(tmp_path: Path, ringback_clock: Clock) -> AsyncIterator[FastAPI]:
    app = create_app(
        f"sqlite+aiosqlite:///{tmp_path / 'test.db'}",
        allow_networks=["127.0.0.0/8"],  # the receivers of a test are on this machine
        now=ringback_clock,
    )
    async with app.router.lifespan_context(app):  # runs the worker
        yield app


@pytest.fixture
def ringback(app: FastAPI) -> Ringback:
    running: Ringback = app.state.ringback
    return running


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(transport=ASGITransport(app), base_url="http://shop") as client:
        yield client


async def pay_an_invoice(client: AsyncClient, receiver: LocalReceiver) -> None:
    query = {"callback_url": f"{receiver.url}/events"}
    assert (await client.post("/invoices/", params=query, json={"id": "2expen51ve"})).is_success
    assert (await client.post("/payments/2expen51ve")).is_success


async def test_who_pays_is_celebrated(
    client: AsyncClient, ringback: Ringback, ringback_receiver: LocalReceiver
) -> None:
    await pay_an_invoice(client, ringback_receiver)
    await drain(ringback)
    await assert_delivered(ringback, key="2expen51ve")
    [request] = ringback_receiver.requests
    assert request.target == "/events/invoices/2expen51ve"
    assert request.json() == {"description": "Payment celebration", "paid": True}


async def test_a_receiver_that_is_down_for_a_day_gets_it_in_the_end(
    client: AsyncClient,
    ringback: Ringback,
    ringback_clock: Clock,
    ringback_receivers: Callable[..., LocalReceiver],
) -> None:
    receiver = ringback_receivers("500", "reset", "429:retry-after=86400", "ok")
    before = ringback_clock()
    await pay_an_invoice(client, receiver)
    await drain(ringback, clock=ringback_clock)
    [report] = await assert_delivered(ringback, key="2expen51ve")
    assert report.attempts == 4
    assert ringback_clock() - before > 86400


async def test_what_comes_in_late_is_still_signed_rightly(
    client: AsyncClient,
    ringback: Ringback,
    ringback_clock: Clock,
    ringback_receivers: Callable[..., LocalReceiver],
) -> None:
    receiver = ringback_receivers("503", "ok")
    await pay_an_invoice(client, receiver)
    await drain(ringback, clock=ringback_clock)
    async with ringback.transaction() as session:
        secret = await ringback.signing_secret(session)
    verify = Receiver(secret, clock=ringback_clock).verify
    last = receiver.requests[-1]
    assert verify(last.headers, last.body, last.target).json()["paid"] is True
