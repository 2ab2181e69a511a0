"""An app that changes while targets and deliveries outlive it: what was promised when they were bound."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from pydantic import BaseModel, create_model
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from typer.testing import CliRunner

from ringback import ContractBreach, DeliveryReport, Exchange, Ringback, TargetConflict, UnknownTarget
from ringback.cli.deliveries import deliveries
from ringback.testing import LocalReceiver


class Order(BaseModel):
    id: str


def model(name: str, **fields: Any) -> type[BaseModel]:
    made: type[BaseModel] = create_model(name, **fields)
    return made


@dataclass
class Version:
    """A version of the app: what its one callback sends and takes, and the Ringback that it has."""

    ringback: Ringback
    event: Callable[..., Any]
    Event: type[BaseModel]

    async def bind(self, key: str, url: str, **options: Any) -> Any:
        async with self.ringback.transaction() as session:
            exchange = Exchange(query={"hook": url}, body={"id": key})
            return await self.ringback.bind(session, "create_order", key=key, exchange=exchange, **options)

    async def send(self, key: str, **values: Any) -> Any:
        async with self.ringback.transaction() as session:
            return await self.ringback.to(session, key=key).send(self.event, self.Event(**values))

    async def reports(self) -> list[DeliveryReport]:
        async with self.ringback.transaction() as session:
            return await self.ringback.deliveries(session)


FIRST = {"description": (str, ...), "paid": (bool, ...)}
PAID = {"description": "Payment celebration", "paid": True}
Deploy = Callable[..., AbstractAsyncContextManager[Version]]


@pytest.fixture
def deploy(database_url: str) -> Deploy:
    """`async with deploy(body, answer) as version`: the app with these models, its worker running or not."""

    @asynccontextmanager
    async def deployed(
        body: dict[str, Any], answer: Any = None, *, working: bool = True, callback: str = "event"
    ) -> AsyncIterator[Version]:
        answer = model("Answer", **({"ok": (bool, ...)} if answer is None else answer))
        event_model = model("Event", **body)
        app, router = FastAPI(), APIRouter()

        def event(body: event_model) -> None: ...  # type: ignore[valid-type]

        router.post("{$hook}/orders/{$request.body.id}", response_model=answer, name=callback)(event)

        @app.post("/orders", callbacks=router.routes, operation_id="create_order")
        def create_order(order: Order, hook: str | None = None) -> None: ...

        worker: Any = "embedded" if working else "external"
        ringback = Ringback(app, database=database_url, allow_networks=["127.0.0.0/8"], worker=worker)
        try:
            if working:
                async with ringback.running():
                    yield Version(ringback, event, event_model)
            else:
                await ringback.migrate()
                yield Version(ringback, event, event_model)
        finally:
            await ringback.engine.dispose()

    return deployed


@pytest.fixture
def receiver() -> Iterator[LocalReceiver]:
    with LocalReceiver() as receiver:
        yield receiver


async def test_a_compatible_change_goes_is_recorded_and_answered_as_was_promised(
    deploy: Deploy, receiver: LocalReceiver
) -> None:
    async with deploy(FIRST) as before:
        await before.bind("a", receiver.url)
    new = {**FIRST, "currency": (str, "USD")}
    asked: list[Any] = []

    def acknowledges(answer: Any) -> bool:
        asked.append(answer)
        return True

    async with deploy(new, {"ok": (bool, ...), "ref": (str | None, None)}) as after:
        after.ringback.acknowledge(after.event, acknowledges)
        await after.send("a", **PAID)
        await after.ringback.drain()
        (report,) = await after.reports()
    assert receiver.requests[0].json() == {**PAID, "currency": "USD"}
    assert (report.state, report.breach) == ("delivered", None)
    assert report.note is not None
    assert report.note.startswith("sent as promised when the target was bound; changed since: ")
    assert "body.Event.currency.type: nothing → string" in report.note
    # Today's model reads what was promised then, as long as it can.
    assert [(answer.ok, answer.ref) for answer in asked] == [(True, None)]


async def test_an_answer_is_held_to_the_promise_and_not_to_what_came_later(
    deploy: Deploy, receiver: LocalReceiver
) -> None:
    async with deploy(FIRST) as before:
        await before.bind("a", receiver.url)
    async with deploy(FIRST, {"ok": (bool, ...), "ref": (str, ...)}) as after:
        await after.send("a", **PAID)
        await after.bind("b", receiver.url)
        await after.send("b", **PAID)
        await after.ringback.drain()
        new, old = await after.reports()
    assert (old.state, new.state) == ("delivered", "delivered")
    assert old.breach == "as documented, but the model refuses $.ref: Field required"
    assert new.breach == '$: "ref" is a required property'
    assert new.note is None


async def test_an_incompatible_change_is_refused_with_the_difference_until_it_is_bound_anew(
    deploy: Deploy, receiver: LocalReceiver
) -> None:
    async with deploy(FIRST) as before:
        await before.bind("a", receiver.url)
    async with deploy({**FIRST, "paid": (str, ...)}) as after:
        with pytest.raises(ContractBreach) as caught:
            await after.send("a", description="x", paid="yes")
        assert "event: this payload fits today's document, but not the one under which" in str(caught.value)
        assert '$.paid: "yes" is not of type "boolean"' in str(caught.value)
        assert "\n  body.Event.paid.type: boolean → string" in str(caught.value)
        assert await after.reports() == []
        await after.bind("a", receiver.url)
        with pytest.raises(ContractBreach):
            await after.send("a", description="x", paid="yes")
        await after.bind("a", receiver.url, replace=True)
        await after.send("a", description="x", paid="yes")
        await after.ringback.drain()
        (report,) = await after.reports()
    assert (report.state, report.note) == ("delivered", None)


@pytest.mark.parametrize("callback", ["event", "of_an_earlier_name"])
async def test_a_worker_of_another_version_judges_answers_by_what_was_promised(
    deploy: Deploy, receiver: LocalReceiver, callback: str
) -> None:
    async with deploy(FIRST, {"ok": (bool, ...), "ref": (str, ...)}, working=False) as new:
        await new.bind("a", receiver.url)
        await new.send("a", **PAID)
    async with deploy(FIRST, callback=callback) as old:
        await old.ringback.drain()
        (report,) = await old.reports()
    assert (report.state, report.breach) == ("delivered", '$: "ref" is a required property')


async def test_a_process_that_never_started_keeps_its_contracts_with_the_target(
    deploy: Deploy, receiver: LocalReceiver
) -> None:
    async def count(version: Version) -> int:
        async with version.ringback.transaction() as session:
            return int((await session.execute(text("SELECT count(*) FROM ringback_contracts"))).scalar_one())

    async with deploy(FIRST, working=False) as version:
        async with AsyncSession(version.ringback.engine) as session:
            exchange = Exchange(query={"hook": receiver.url}, body={"id": "a"})
            await version.ringback.bind(session, "create_order", key="a", exchange=exchange)
            await session.rollback()
        assert await count(version) == 0
        await asyncio.gather(*(version.bind(key, receiver.url) for key in "abcd"))
        assert await count(version) == 1


async def test_an_unchanged_contract_costs_no_statement(deploy: Deploy, receiver: LocalReceiver) -> None:
    async with deploy(FIRST) as version:
        statements: list[str] = []
        async with version.ringback.engine.begin() as connection:

            @sqlalchemy_event.listens_for(connection.sync_connection, "before_cursor_execute")
            def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
                statements.append(" ".join(statement.split()[:3]))

            exchange = Exchange(query={"hook": receiver.url}, body={"id": "a"})
            await version.ringback.bind(connection, "create_order", key="a", exchange=exchange)
            assert statements == ["INSERT INTO ringback_targets"]
            await version.ringback.to(connection, key="a").send(version.event, version.Event(**PAID))
            is_sqlite = connection.dialect.name == "sqlite"
            apart = ["INSERT INTO ringback_messages", "INSERT INTO ringback_deliveries"]
            added = apart if is_sqlite else ["WITH added AS"]
            assert statements[1:] == ["UPDATE ringback_targets SET", *added]


async def test_what_nobody_kept_is_said(deploy: Deploy, receiver: LocalReceiver) -> None:
    async with deploy(FIRST) as before:
        await before.bind("a", receiver.url)
    async with deploy({**FIRST, "currency": (str, "USD")}) as after:
        async with after.ringback.transaction() as session:
            await session.execute(text("DELETE FROM ringback_contracts"))
        await after.send("a", **PAID)
        (report,) = await after.reports()
    assert report.note == "what was promised when the target was bound is not known any more"


async def test_a_callback_that_came_after_the_target_is_no_silence(
    deploy: Deploy, receiver: LocalReceiver
) -> None:
    async with deploy(FIRST, callback="event") as before:
        await before.bind("a", receiver.url)
    async with deploy(FIRST, callback="later") as after:
        with pytest.raises(
            UnknownTarget, match=r"bound before 'create_order' declared 'later' .*then: event"
        ):
            await after.send("a", **PAID)
        target = await after.bind("a", receiver.url)
        assert target.urls == dict.fromkeys(["event", "later"], f"{receiver.url}/orders/a")
        await after.send("a", **PAID)
        await after.ringback.drain()
        with pytest.raises(TargetConflict):
            await after.bind("a", receiver.url + "/other")
    assert [request.target for request in receiver.requests] == ["/orders/a"]


async def test_the_note_is_shown(deploy: Deploy, receiver: LocalReceiver, database_url: str) -> None:
    async with deploy(FIRST) as before:
        await before.bind("a", receiver.url)
    async with deploy({**FIRST, "currency": (str, "USD")}, working=False) as after:
        delivery = await after.send("a", **PAID)
    arguments = ["show", delivery.id, "--database", database_url]
    shown = await asyncio.to_thread(CliRunner().invoke, deliveries, arguments)
    assert "sent as promised when the target was bound" in " ".join(shown.output.replace("│", " ").split())
