"""Rules for one owner: they add networks and take the rest away, at bind and at every attempt."""

from collections.abc import Callable

import httpx2
import pytest
from fastapi import APIRouter, FastAPI
from pydantic import BaseModel
from testkit.serving import served

from ringback import Callbacks, Exchange, NetworkPolicy, Ringback
from ringback._errors import Blocked
from ringback.testing import LocalReceiver

LOOPBACK = ["127.0.0.0/8"]


class Event(BaseModel):
    """What is sent."""

    paid: bool


class Rules:
    """What each owner may call; it can change between bind and attempt."""

    def __init__(self, **own: NetworkPolicy) -> None:
        self.own = own

    def __call__(self, owner: str) -> NetworkPolicy | None:
        return self.own.get(owner)


def denied(*hosts: str) -> NetworkPolicy:
    return NetworkPolicy.from_settings(deny_hosts=hosts)


def widened(*networks: str) -> NetworkPolicy:
    return NetworkPolicy.from_settings(networks)


callbacks = APIRouter()


@callbacks.post("{$request.query.url}/done")
def done(body: Event) -> None: ...


def shop(
    url: str, owner_policy: Callable[[str], NetworkPolicy | None], common: list[str]
) -> tuple[FastAPI, Ringback]:
    app = FastAPI()
    ringback = Ringback(app, database=url, allow_networks=common, owner_policy=owner_policy)

    @app.post("/orders", operation_id="order", callbacks=callbacks.routes)
    async def order(url: str, owner: str, callbacks: Callbacks) -> dict[str, bool]:
        async with ringback.transaction() as session:
            return {"bound": bool(await callbacks.bind(session, key="1", owner=owner))}

    return app, ringback


async def asked(app: FastAPI, *requests: tuple[str, str]) -> list[httpx2.Response]:
    """The answers to these owners who give these URLs."""
    async with served(app, lifespan="on") as base, httpx2.AsyncClient() as client:
        return [
            await client.post(f"{base}/orders", params={"owner": owner, "url": url})
            for owner, url in requests
        ]


async def test_a_url_that_the_owner_may_not_call_is_the_requests_fault(sqlite_url: str) -> None:
    app, _ = shop(sqlite_url, Rules(stranger=denied("127.0.0.1")), LOOPBACK)
    url = "http://127.0.0.1:9/events"
    accepted, refused = await asked(app, ("friend", url), ("stranger", url))
    assert accepted.json() == {"bound": True}
    assert refused.status_code == 422
    assert refused.json()["detail"][0]["loc"] == ["query", "url"]
    assert "deny_hosts" not in refused.text


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_an_owners_networks_are_added_for_that_owner_alone(sqlite_url: str, host: str) -> None:
    app, _ = shop(sqlite_url, Rules(inside=widened(*LOOPBACK), other=widened("10.0.0.0/8")), [])
    url = f"http://{host}:9/events"
    accepted, *refused = await asked(app, ("inside", url), ("other", url), ("nobody", url))
    assert accepted.json() == {"bound": True}
    assert [answer.status_code for answer in refused] == [422, 422]
    assert all(answer.json()["detail"][0]["loc"] == ["query", "url"] for answer in refused)


async def test_the_rules_hold_at_every_attempt(sqlite_url: str) -> None:
    rules = Rules()
    _, ringback = shop(sqlite_url, rules, LOOPBACK)
    with LocalReceiver("ok") as receiver:
        async with ringback.running():
            await owe(ringback, receiver.url)
            rules.own["friend"] = denied("127.0.0.1")
            await ringback.drain(20)
            state, verdict = await how_it_stands(ringback)
        assert receiver.requests == []
    assert state == "pending"
    assert verdict.startswith("blocked: 127.0.0.1 is on the list")


async def test_an_attempt_goes_where_only_its_owner_may_call(sqlite_url: str) -> None:
    rules = Rules(friend=widened(*LOOPBACK))
    _, ringback = shop(sqlite_url, rules, [])
    with LocalReceiver("ok") as receiver:
        async with ringback.running():
            await owe(ringback, receiver.url)
            await ringback.drain(20)
            assert (await how_it_stands(ringback))[0] == "delivered"
            # What was connected and is kept open serves the owner no longer than the rules do.
            rules.own.clear()
            with pytest.raises(Blocked):
                await owe(ringback, receiver.url, "2")
            await owe(ringback, None)
            await ringback.drain(20)
            state, verdict = await how_it_stands(ringback)
        assert len(receiver.requests) == 1
    assert state == "pending"
    assert verdict.startswith("blocked: 127.0.0.1 is not a public address (loopback)")


@pytest.mark.parametrize("url", ["http://169.254.169.254/latest", "http://metadata.google.internal/"])
async def test_no_owners_rules_open_a_clouds_metadata(sqlite_url: str, url: str) -> None:
    app, _ = shop(sqlite_url, Rules(inside=widened("0.0.0.0/0", "::/0")), [])
    [answer] = await asked(app, ("inside", url))
    assert answer.status_code == 422


async def owe(ringback: Ringback, url: str | None, key: str = "1") -> None:
    """Owe the friend one callback; without a URL at the target that was bound before."""
    async with ringback.transaction() as session:
        if url is not None:
            exchange = Exchange(query={"url": url})
            await ringback.bind(session, "order", key=key, owner="friend", exchange=exchange)
        await ringback.to(session, key=key, owner="friend").send(done, Event(paid=True))


async def how_it_stands(ringback: Ringback) -> tuple[str, str]:
    async with ringback.transaction() as session:
        report = (await ringback.deliveries(session))[0]
    return str(report.state), str(report.verdict)
