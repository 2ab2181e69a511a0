"""Rules for one owner: narrower than the common ones, asked at bind and at every attempt."""

import httpx2
from fastapi import APIRouter, FastAPI
from pydantic import BaseModel
from testkit.serving import served

from ringback import Callbacks, Exchange, NetworkPolicy, Ringback
from ringback.testing import LocalReceiver


class Event(BaseModel):
    """What is sent."""

    paid: bool


class Rules:
    """What each owner may call; it can change between bind and attempt."""

    def __init__(self, allowed: set[str]) -> None:
        self.allowed = allowed

    def __call__(self, owner: str) -> NetworkPolicy | None:
        if owner not in self.allowed:
            return NetworkPolicy.from_settings(deny_hosts=["127.0.0.1"])
        return None


callbacks = APIRouter()


@callbacks.post("{$request.query.url}/done")
def done(body: Event) -> None: ...


def shop(url: str, rules: Rules) -> tuple[FastAPI, Ringback]:
    app = FastAPI()
    ringback = Ringback(app, database=url, allow_networks=["127.0.0.0/8"], owner_policy=rules)

    @app.post("/orders", operation_id="order", callbacks=callbacks.routes)
    async def order(url: str, owner: str, callbacks: Callbacks) -> dict[str, bool]:
        async with ringback.transaction() as session:
            return {"bound": bool(await callbacks.bind(session, key="1", owner=owner))}

    return app, ringback


async def test_a_url_that_the_owner_may_not_call_is_the_requests_fault(sqlite_url: str) -> None:
    app, _ = shop(sqlite_url, Rules({"friend"}))
    async with served(app, lifespan="on") as base, httpx2.AsyncClient() as client:
        query = {"url": "http://127.0.0.1:9/events"}
        accepted = await client.post(f"{base}/orders", params=query | {"owner": "friend"})
        refused = await client.post(f"{base}/orders", params=query | {"owner": "stranger"})
    assert accepted.json() == {"bound": True}
    assert refused.status_code == 422
    assert refused.json()["detail"][0]["loc"] == ["query", "url"]
    assert "deny_hosts" not in refused.text


async def test_the_rules_hold_at_every_attempt(sqlite_url: str) -> None:
    rules = Rules({"friend"})
    _, ringback = shop(sqlite_url, rules)
    with LocalReceiver("ok") as receiver:
        async with ringback.running():
            async with ringback.transaction() as session:
                exchange = Exchange(query={"url": receiver.url})
                await ringback.bind(session, "order", key="1", owner="friend", exchange=exchange)
                await ringback.to(session, key="1", owner="friend").send(done, Event(paid=True))
                rules.allowed.clear()
            await ringback.drain(20)
            async with ringback.transaction() as session:
                [report] = await ringback.deliveries(session)
        assert receiver.requests == []
    assert report.state == "pending"
    assert str(report.verdict).startswith("blocked: 127.0.0.1 is on the list")
