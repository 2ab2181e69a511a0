"""What is owed is owed with the caller's transaction: by every kind of session, and not otherwise."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session
from sqlmodel import Session as SQLModelSession

from ringback import (
    Blocked,
    ContractBreach,
    Exchange,
    NothingDelivers,
    Ringback,
    RingbackError,
    TargetConflict,
    UnknownTarget,
    WrongDatabase,
)
from ringback.testing import assert_delivered

EVENT = {"description": "Payment celebration", "paid": True}


async def test_a_committed_callback_arrives_as_declared_and_signed(
    shop: Any, receiver: Any, verified: Any
) -> None:
    message_id = await shop.owe("2expen51ve", f"{receiver.url}/events")
    await shop.drain()
    [request] = receiver.requests
    assert (request.method, request.target) == ("POST", "/events/invoices/2expen51ve")
    assert request.body == b'{"description":"Payment celebration","paid":true}'
    assert request.headers["content-type"] == "application/json"
    assert request.headers["host"] == receiver.url.removeprefix("http://")
    assert request.id == message_id
    assert verified(request, await shop.secret()) == EVENT
    [report] = await assert_delivered(shop.ringback, key="2expen51ve")
    assert (report.id, report.attempts, report.status_code) == (message_id, 1, 200)
    assert report.verdict == "answered 200 as documented"


async def test_a_rollback_takes_the_callback_with_it(shop: Any, receiver: Any) -> None:
    await shop.bind("kept", receiver.url)
    engine = shop.ringback.engine
    async with AsyncSession(engine) as session:
        exchange = Exchange(query={"callback_url": receiver.url}, body={"id": "gone"})
        await shop.ringback.bind(session, "create_invoice", key="gone", exchange=exchange)
        for key in ("kept", "gone"):
            assert await shop.ringback.to(session, key=key).send(*shop.event())
        await session.rollback()
    with pytest.raises(UnknownTarget):
        await shop.send("gone")
    assert await shop.reports() == []
    await shop.drain()
    assert receiver.requests == []


async def test_a_savepoint_that_is_rolled_back_takes_only_its_own(shop: Any, receiver: Any) -> None:
    await shop.bind("a", receiver.url)
    async with shop.ringback.transaction() as session:
        await shop.ringback.to(session, key="a").send(*shop.event("kept"))
        async with session.begin_nested() as savepoint:
            await shop.ringback.to(session, key="a").send(*shop.event("dropped"))
            await savepoint.rollback()
    await shop.drain()
    assert [request.json()["description"] for request in receiver.requests] == ["kept"]


async def test_an_async_connection_serves_as_well(shop: Any, receiver: Any) -> None:
    async with shop.ringback.engine.begin() as connection:
        exchange = Exchange(query={"callback_url": receiver.url}, body={"id": "a"})
        await shop.ringback.bind(connection, "create_invoice", key="a", exchange=exchange)
        await shop.ringback.to(connection, key="a").send(*shop.event())
    await shop.drain()
    await assert_delivered(shop.ringback, key="a")


@pytest.mark.parametrize("make", [Session, SQLModelSession, lambda engine: engine.connect()])
async def test_sync_sessions_and_connections_serve_as_well(
    shop: Any, receiver: Any, sync_engine: Any, make: Any
) -> None:
    with make(sync_engine) as session:
        exchange = Exchange(query={"callback_url": receiver.url}, body={"id": "a"})
        target = shop.ringback.bind(session, "create_invoice", key="a", exchange=exchange)
        assert target
        delivery = shop.ringback.to(session, key="a").options(idempotency_key="x").send(*shop.event())
        assert delivery is not None
        session.commit()
        shop.ringback.to(session, key="a").send(*shop.event("never"))
        session.rollback()
    await shop.drain()
    [report] = await assert_delivered(shop.ringback, key="a")
    assert report.id == delivery.id


async def test_a_target_without_a_url_is_sent_nothing(shop: Any) -> None:
    await shop.bind("a", None)
    assert await shop.send("a") is None
    assert await shop.reports() == []


async def test_an_unknown_key_is_an_error_that_says_what_to_do(shop: Any) -> None:
    with pytest.raises(UnknownTarget, match=r"Nothing was bound under key 'nobody'.*callbacks\.bind"):
        await shop.send("nobody")


async def test_the_key_of_another_owner_is_unknown(shop: Any, receiver: Any) -> None:
    await shop.bind("a", receiver.url, owner="acme")
    with pytest.raises(UnknownTarget):
        await shop.send("a", owner="evil")
    with pytest.raises(UnknownTarget):
        await shop.send("a")


async def test_binding_again_gives_the_same_target_and_another_url_is_a_conflict(
    shop: Any, receiver: Any
) -> None:
    ringback = shop.ringback

    def exchange(path: str) -> Exchange:
        return Exchange(query={"callback_url": receiver.url + path}, body={"id": "a"})

    async with ringback.transaction() as session:
        first = await ringback.bind(session, "create_invoice", key="a", exchange=exchange("/one"))
        again = await ringback.bind(session, "create_invoice", key="a", exchange=exchange("/one"))
        assert again == first
        with pytest.raises(TargetConflict, match="replace=True"):
            await ringback.bind(session, "create_invoice", key="a", exchange=exchange("/two"))
    await shop.send("a", "before", not_before=timedelta(hours=1))
    async with ringback.transaction() as session:
        moved = await ringback.bind(
            session, "create_invoice", key="a", exchange=exchange("/two"), replace=True
        )
    assert moved.id == first.id
    await shop.send("a", "after", ordered=False)
    await shop.drain(whole_schedule=True)
    # What was owed before keeps the URL that it was owed to.
    arrived = {request.json()["description"]: request.target for request in receiver.requests}
    assert arrived == {"before": "/one/invoices/a", "after": "/two/invoices/a"}


async def test_nothing_is_stored_where_nothing_would_ever_deliver(open_shop: Any, receiver: Any) -> None:
    async with open_shop(running=False) as shop:
        with pytest.raises(NothingDelivers, match="external"):
            await shop.bind("a", receiver.url)
        with pytest.raises(NothingDelivers):
            await shop.send("a")
    async with open_shop(running=False, worker="external") as shop:
        await shop.owe("a", receiver.url)
        assert [report.state for report in await shop.reports()] == ["pending"]


async def test_a_session_of_another_database_is_refused(shop: Any, receiver: Any, tmp_path: Any) -> None:
    await shop.bind("a", receiver.url)
    other = create_engine(f"sqlite:///{tmp_path / 'other.db'}")
    with Session(other) as session, pytest.raises(WrongDatabase, match=r"other\.db"):
        shop.ringback.to(session, key="a").send(*shop.event())
    other.dispose()
    assert await shop.reports() == []


async def test_a_payload_that_breaks_the_document_is_refused_and_nothing_is_stored(
    shop: Any, receiver: Any
) -> None:
    await shop.bind("a", receiver.url)
    function, _ = shop.event()
    with pytest.raises(ContractBreach):
        async with shop.ringback.transaction() as session:
            await shop.ringback.to(session, key="a").send(function, {"description": "x", "paid": "maybe"})
    assert await shop.reports() == []


async def test_an_idempotency_key_makes_one_delivery_of_many_sends(shop: Any, receiver: Any) -> None:
    await shop.bind("a", receiver.url)
    first = await shop.send("a", "one", idempotency_key="k")
    second = await shop.send("a", "two", idempotency_key="k")
    assert first is not None
    assert second is not None
    assert second.id == first.id
    await shop.send("a", "three", idempotency_key="other")
    await shop.drain()
    assert [r.json()["description"] for r in receiver.requests] == ["one", "three"]


async def test_not_before_holds_the_first_attempt_back(shop: Any, receiver: Any, clock: Any) -> None:
    await shop.bind("a", receiver.url)
    await shop.send("a", "span", not_before=timedelta(hours=1), ordered=False)
    moment = datetime.fromtimestamp(clock.now + 7200, UTC)
    await shop.send("a", "moment", not_before=moment, ordered=False)
    await shop.drain()
    assert receiver.requests == []
    clock.advance(3600)
    await shop.drain()
    assert [r.json()["description"] for r in receiver.requests] == ["span"]
    clock.advance(3601)
    await shop.drain()
    assert [r.json()["description"] for r in receiver.requests] == ["span", "moment"]
    with pytest.raises(RingbackError, match="no time zone"):
        await shop.send("a", not_before=datetime(2030, 1, 1))


async def test_a_url_that_the_policy_forbids_is_not_bound(open_shop: Any) -> None:
    async with open_shop(allow_networks=[]) as shop:
        with pytest.raises(Blocked):
            await shop.bind("a", "http://127.0.0.1:8080/")
        with pytest.raises(UnknownTarget):
            await shop.send("a")


async def test_a_database_that_is_neither_sqlite_nor_postgresql_is_refused() -> None:
    with pytest.raises(RingbackError, match="SQLite or PostgreSQL"):
        Ringback(database="mysql://u@h/d")


@pytest.fixture
def sync_engine(shop: Any) -> Any:
    url = make_url(shop.ringback.engine.url)
    driver = "sqlite" if url.get_backend_name() == "sqlite" else "postgresql+psycopg"
    engine = create_engine(url.set(drivername=driver))
    Ringback.configure_sqlite(engine)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1
    yield engine
    engine.dispose()
