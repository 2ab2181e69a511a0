"""Right and wrong calls: both checkers must accept the right ones and refuse each wrong one, by these names.

An ignored error that is no error is itself an error, for mypy (`warn_unused_ignores`) and for pyright
(`reportUnnecessaryTypeIgnoreComment`), so a wrong call that stops being refused fails here.
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, assert_type

from fastapi import APIRouter, Header
from pydantic import BaseModel
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm import Session
from sqlmodel import Session as SQLModelSession
from sqlmodel.ext.asyncio.session import AsyncSession as AsyncSQLModelSession

from ringback import Callbacks, Delivery, DeliveryReport, Exchange, Ringback, Target


class InvoiceEvent(BaseModel):
    description: str
    paid: bool


class InvoiceEventReceived(BaseModel):
    ok: bool


class Line(BaseModel):
    amount: int


router = APIRouter()


@router.post("{$callback_url}/invoices/{$request.body.id}", response_model=InvoiceEventReceived)
def invoice_notification(body: InvoiceEvent):  # type: ignore[no-untyped-def]
    """Exactly the tutorial's, without a return type."""


@router.post("{$callback_url}/async")
async def notified_async(body: InvoiceEvent) -> InvoiceEventReceived:
    raise NotImplementedError


@router.put("{$callback_url}/lines/{kind}")
def lines_changed(
    kind: str, body: list[Line], *, page: int = 1, x_trace: Annotated[str, Header()]
) -> None: ...


@router.delete("{$callback_url}/gone")
def gone() -> None: ...


event = InvoiceEvent(description="Payment celebration", paid=True)
lines = [Line(amount=1)]


async def sends_async(ringback: Ringback, session: AsyncSession, sqlmodel: AsyncSQLModelSession) -> None:
    to = ringback.to(session, key="2expen51ve")
    assert_type(await to.send(invoice_notification, event), Delivery | None)
    assert_type(await to.send(invoice_notification, body=event), Delivery | None)
    assert_type(await to.send(notified_async, event), Delivery | None)
    assert_type(await to.send(gone), Delivery | None)
    await to.send(lines_changed, "added", lines, x_trace="t")
    await to.send(lines_changed, kind="added", body=lines, page=2, x_trace="t")
    await ringback.to(sqlmodel, key="2expen51ve", owner="acme", operation="create_invoice").send(gone)
    await to.options(idempotency_key="paid").send(invoice_notification, event)
    await to.options(not_before=timedelta(hours=1), ordered=False).send(invoice_notification, event)
    await to.options(not_before=datetime.now(UTC)).options().send(gone)


async def sends_wrongly_async(ringback: Ringback, session: AsyncSession) -> None:
    to = ringback.to(session, key="2expen51ve")
    await to.send(invoice_notification, lines)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await to.send(invoice_notification, {"paid": True})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await to.send(invoice_notification)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await to.send(invoice_notification, event, event)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await to.send(invoice_notification, boddy=event)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await to.send(notified_async, lines)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await to.send(lines_changed, "added", lines)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await to.send(lines_changed, "added", lines, page="2", x_trace="t")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await to.send(gone, event)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await to.send("invoice_notification", event)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
    await to.send(invoice_notification, event, idempotency_key="paid")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await to.options(ordered="no").send(gone)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await to.options(idempotencykey="k").send(gone)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue, reportUnknownMemberType]
    await to.options("paid").send(gone)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue, reportUnknownMemberType]
    to.send(gone)  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    ringback.to(session)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    ringback.to("session", key="k")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]


def sends_sync(ringback: Ringback, session: Session, sqlmodel: SQLModelSession, open_: Connection) -> None:
    assert_type(ringback.to(session, key="k").send(invoice_notification, event), Delivery | None)
    assert_type(ringback.to(sqlmodel, key="k").send(invoice_notification, body=event), Delivery | None)
    assert_type(ringback.to(open_, key="k").options(idempotency_key="k").send(gone), Delivery | None)


def sends_wrongly_sync(ringback: Ringback, session: Session) -> None:
    to = ringback.to(session, key="k")
    to.send(invoice_notification, lines)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    to.send(invoice_notification, {"paid": True})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    to.send(invoice_notification)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    to.send(invoice_notification, boddy=event)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    to.send(gone).wait()  # type: ignore[union-attr]  # pyright: ignore[reportAttributeAccessIssue, reportOptionalMemberAccess, reportUnknownMemberType]


async def awaits_what_is_sync(ringback: Ringback, session: Session, callbacks: Callbacks) -> None:
    await ringback.to(session, key="k").send(gone)  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]
    await callbacks.bind(session, key="k")  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]


async def binds(
    ringback: Ringback,
    callbacks: Callbacks,
    session: AsyncSession,
    connection: AsyncConnection,
    sync_session: SQLModelSession,
    exchange: Exchange,
) -> None:
    assert_type(await callbacks.bind(session, key="k"), Target)
    assert_type(await callbacks.bind(connection, key="k", owner="acme", replace=True), Target)
    assert_type(callbacks.bind(sync_session, key="k", response={"id": 1}), Target)
    assert_type(await ringback.bind(session, "create_invoice", key="k", exchange=exchange), Target)
    assert_type(ringback.bind(sync_session, binds, key="k", exchange=exchange), Target)


async def binds_wrongly(callbacks: Callbacks, session: AsyncSession) -> None:
    _not_awaited: Target = callbacks.bind(session, key="k")  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    await callbacks.bind(session)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    await callbacks.bind(session, key=7)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    await callbacks.bind(session, "k")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]


async def asks_and_acknowledges(ringback: Ringback, session: AsyncSession) -> None:
    assert_type(await ringback.deliveries(session, key="k"), list[DeliveryReport])
    assert_type(await ringback.signing_secret(session), str)
    ringback.acknowledge(invoice_notification, lambda answer: answer.ok)
    ringback.acknowledge(invoice_notification, "ok")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    payload: Any = {"any": "JSON"}
    assert_type(await ringback.enqueue(session, "mail", payload, to="a@b.org"), Delivery)
