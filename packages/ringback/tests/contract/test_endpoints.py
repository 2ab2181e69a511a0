"""Endpoints as people write them, sync and async: from the request that binds to the callback's arrival."""

from collections.abc import Callable, Iterator
from datetime import date
from functools import wraps
from typing import Annotated, Any
from urllib.parse import quote
from uuid import UUID

import pytest
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient
from pydantic import BaseModel, HttpUrl
from sqlalchemy import Engine, create_engine, make_url
from sqlalchemy.orm import Session
from sqlmodel import Field, SQLModel
from sqlmodel import Session as SQLModelSession

from ringback import Callbacks, Ringback, RingbackError, UnknownTarget, UnusableValue
from ringback.fastapi import _grouped
from ringback.testing import LocalReceiver, drain

LOOPBACK = ["127.0.0.0/8"]


class Invoice(BaseModel):
    id: str
    title: str | None = None
    customer: str
    total: float


class InvoiceEvent(BaseModel):
    description: str
    paid: bool


class InvoiceEventReceived(BaseModel):
    ok: bool


class StoredInvoice(SQLModel, table=True):
    __tablename__ = "contract_test_invoices"
    id: str = Field(primary_key=True)


INVOICE = {"id": "2expen51ve", "customer": "Mr. Richie Rich", "total": "9999"}
EVENT = InvoiceEvent(description="Payment celebration", paid=True)

invoices_callback_router = APIRouter()


@invoices_callback_router.post(
    "{$callback_url}/invoices/{$request.body.id}", response_model=InvoiceEventReceived
)
def invoice_notification(body: InvoiceEvent) -> None:
    pass


@pytest.fixture
def receiver() -> Iterator[LocalReceiver]:
    with LocalReceiver() as receiver:
        yield receiver


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """A sync engine of the app's own."""
    url = make_url(database_url)
    driver = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg"}[url.get_backend_name()]
    engine = create_engine(url.set(drivername=driver))
    Ringback.configure_sqlite(engine)
    SQLModel.metadata.create_all(engine)
    yield engine
    SQLModel.metadata.drop_all(engine)
    engine.dispose()


@pytest.mark.parametrize("session_class", [Session, SQLModelSession])
def test_the_tutorials_plain_function_binds_and_sends_with_a_sync_session(
    engine: Engine, receiver: LocalReceiver, session_class: Any
) -> None:
    app = FastAPI()
    ringback = Ringback(app, database=engine, allow_networks=LOOPBACK)

    def get_session() -> Iterator[Any]:
        with session_class(engine) as session, session.begin():
            yield session

    session_type = Annotated[session_class, Depends(get_session, scope="function")]

    @app.post("/invoices/", callbacks=invoices_callback_router.routes)
    def create_invoice(
        invoice: Invoice, session: session_type, callbacks: Callbacks, callback_url: HttpUrl | None = None
    ) -> Any:
        session.add(StoredInvoice(id=invoice.id))
        assert callbacks.bind(session, key=invoice.id) or callback_url is None
        return {"msg": "Invoice received"}

    @app.post("/paid/{id}")
    def mark_paid(id: str, session: session_type) -> Any:
        delivery = ringback.to(session, key=id).send(invoice_notification, EVENT)
        return {"told": delivery and delivery.id}

    with TestClient(app) as client:
        bound = client.post(f"/invoices/?callback_url={receiver.url}/events", json=INVOICE)
        assert bound.json() == {"msg": "Invoice received"}
        assert client.post("/invoices/", json={**INVOICE, "id": "quiet"}).status_code == 200
        told = client.post("/paid/2expen51ve").json()["told"]
        assert client.post("/paid/quiet").json() == {"told": None}
        assert client.portal is not None
        client.portal.call(drain, ringback)
    [request] = receiver.requests
    assert (request.target, request.id) == ("/events/invoices/2expen51ve", told)
    assert request.json() == {"description": "Payment celebration", "paid": True}


Open = Callable[..., Any]


@pytest.fixture
def open_app(sqlite_url: str) -> Iterator[Callable[[FastAPI], TestClient]]:
    """Give an app a Ringback and a client, its lifespan running."""
    opened: list[TestClient] = []

    def open_(app: FastAPI) -> TestClient:
        Ringback(app, database=sqlite_url, allow_networks=LOOPBACK)
        opened.append(TestClient(app).__enter__())
        return opened[-1]

    yield open_
    for client in opened:
        client.__exit__()


class Receipt(BaseModel):
    number: UUID
    day: date


RECEIPT = Receipt(number=UUID(int=7), day=date(2026, 1, 2))


def app_with(key: str, answer: Any, *, pass_answer: bool = True, **options: Any) -> FastAPI:
    """An app whose one callback's key reads the response that the endpoint is about to give."""
    app, router = FastAPI(), APIRouter()

    @router.post(key)
    def event(body: InvoiceEvent) -> None: ...

    @app.post("/orders", callbacks=router.routes, **options)
    async def create_order(request: Request, hook: str, callbacks: Callbacks) -> Any:
        ringback = request.app.state.ringback
        async with ringback.transaction() as session:
            given = {"response": answer} if pass_answer else {}
            target = await callbacks.bind(session, key="k", **given)
            await ringback.to(session, key="k").send(event, EVENT)
        if isinstance(answer, JSONResponse):
            return answer
        return {"bound": target.urls["event"]}

    return app


BASE = "{$request.query.hook}"


@pytest.mark.parametrize(
    ("key", "answer", "path"),
    [
        (BASE + "/{$response.body#/number}", RECEIPT, f"/{UUID(int=7)}"),
        (BASE + "/{$response.body#/receipts/0/day}", {"receipts": [RECEIPT]}, "/2026-01-02"),
        (BASE + "/{$response.body.day}/{$statusCode}", RECEIPT, "/2026-01-02/201"),
        (
            BASE + "/{$response.header.Location}?s={$statusCode}&n={$response.body#/n}",
            JSONResponse({"n": 5}, 202, {"location": "/orders/5"}),
            "/%2Forders%2F5?s=202&n=5",
        ),
        (BASE + "/{$method}", None, "/POST"),
        (BASE + "/{$statusCode}", None, "/201"),
    ],
)
def test_a_key_may_read_the_response_that_is_about_to_be_given(
    open_app: Open, receiver: LocalReceiver, key: str, answer: Any, path: str
) -> None:
    client = open_app(app := app_with(key, answer, status_code=201))
    assert client.post(f"/orders?hook={receiver.url}/e").is_success
    client.portal.call(drain, app.state.ringback)
    assert [request.target for request in receiver.requests] == ["/e" + path]


def test_a_response_that_is_not_given_is_asked_for(open_app: Open, receiver: LocalReceiver) -> None:
    client = open_app(app_with(BASE + "/{$response.body#/id}", None, pass_answer=False))
    with pytest.raises(UnusableValue, match=r"pass it with bind\(\.\.\., response=\.\.\.\)"):
        client.post(f"/orders?hook={receiver.url}")


def order_app(key: str = "{$hook}/orders/{$request.body#/id}") -> tuple[FastAPI, Callable[..., Any]]:
    """An app whose endpoint says what it has bound."""
    app, router = FastAPI(), APIRouter()

    @router.post(key)
    def event(body: InvoiceEvent) -> None: ...

    @app.post("/orders", callbacks=router.routes)
    async def create_order(
        request: Request, hook: str, callbacks: Callbacks, order: dict[str, Any] | None = None
    ) -> Any:
        async with request.app.state.ringback.transaction() as session:
            return (await callbacks.bind(session, key="k")).urls

    return app, event


@pytest.mark.parametrize("key", [BASE + "/x", BASE + "/{$response.body#/id}"])
@pytest.mark.parametrize(
    ("hook", "reason"),
    [
        ("ftp://a.org", "http"),
        ("http://u:p@a.org/", ""),
        ("", ""),
        ("http://169.254.169.254/", "cannot be called"),
        ("http://10.0.0.1/", "cannot be called"),
    ],
)
def test_a_url_that_cannot_be_called_is_the_callers_mistake_before_anything_is_stored(
    open_app: Open, key: str, hook: str, reason: str
) -> None:
    client = open_app(app_with(key, {"id": 1}))
    answer = client.post(f"/orders?hook={quote(hook)}")
    assert answer.status_code == 422
    [problem] = answer.json()["detail"]
    assert problem["loc"] == ["query", "hook"]
    assert reason in problem["msg"]


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ("{}", ["body", "id"]),
        ('{"id": null}', ["body", "id"]),
        ("{", ["body"]),
        ('{"id": ".."}', ["body", "id"]),
    ],
)
def test_a_body_without_what_the_key_needs_is_the_callers_mistake(
    open_app: Open, receiver: LocalReceiver, body: str, place: list[str]
) -> None:
    app, _ = order_app()
    client = open_app(app)
    answer = client.post(
        f"/orders?hook={receiver.url}", content=body, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"][: len(place)] == place


def test_a_value_that_is_given_twice_is_refused(open_app: Open, receiver: LocalReceiver) -> None:
    app, _ = order_app(BASE + "/x")
    twice = open_app(app).post(f"/orders?hook={receiver.url}&hook={receiver.url}")
    assert twice.status_code == 422
    assert "given 2 times" in twice.json()["detail"][0]["msg"]


def test_many_values_of_a_request_cost_no_quadratic_time() -> None:
    # Looking each of them up among all of them would take hours.
    pairs = [(f"p{i % 300_000}", "") for i in range(300_001)]
    grouped = _grouped(pairs)
    assert (len(grouped), grouped["p0"]) == (300_000, ["", ""])


def two_operations() -> tuple[FastAPI, Any, Any, Any]:
    """Two operations that share one callback, and have one each of their own."""
    app, shared, own = FastAPI(), APIRouter(), {"orders": APIRouter(), "offers": APIRouter()}

    @shared.post("{$hook}/shared")
    def both(body: InvoiceEvent) -> None: ...

    @own["orders"].post("{$hook}/order")
    def ordered(body: InvoiceEvent) -> None: ...

    @own["offers"].post("{$hook}/offer")
    def offered(body: InvoiceEvent) -> None: ...

    for name, router in own.items():

        @app.post(f"/{name}", callbacks=[*router.routes, *shared.routes], operation_id=name)
        async def create(request: Request, hook: str, callbacks: Callbacks) -> None:
            async with request.app.state.ringback.transaction() as session:
                await callbacks.bind(session, key="k")

    return app, both, ordered, offered


async def send(app: FastAPI, callback: Any, key: str = "k", **where: Any) -> Any:
    ringback: Ringback = app.state.ringback
    async with ringback.transaction() as session:
        return await ringback.to(session, key=key, **where).send(callback, EVENT)


def test_a_callback_goes_to_the_operation_that_was_bound_or_it_is_an_error(
    open_app: Open, receiver: LocalReceiver
) -> None:
    app, both, ordered, offered = two_operations()

    @app.post("/late", operation_id="late")
    async def late(request: Request, callbacks: Callbacks) -> None:
        async with request.app.state.ringback.transaction() as session:
            await callbacks.bind(session, key="k")

    @invoices_callback_router.post("{$callback_url}/late")
    def came_late(body: InvoiceEvent) -> None: ...

    client = open_app(app)
    call = client.portal.call
    assert client.post(f"/orders?hook={receiver.url}").is_success
    assert call(send, app, ordered)
    with pytest.raises(RingbackError, match=r"both is declared by several operations \(offers, orders\)"):
        call(send, app, both)
    assert call(lambda: send(app, both, operation="orders"))
    with pytest.raises(
        RingbackError, match=r"Operation 'orders' does not declare .*offered; these do: offers"
    ):
        call(lambda: send(app, offered, operation="orders"))
    with pytest.raises(UnknownTarget, match=r"'k' is not bound under 'offers', the operation that declares "):
        call(send, app, offered)
    with pytest.raises(UnknownTarget, match=r"but under: orders \(both, ordered\)"):
        call(lambda: send(app, both, operation="offers"))
    with pytest.raises(UnknownTarget, match="Nothing was bound under key 'nobody'"):
        call(send, app, ordered, "nobody")
    with pytest.raises(RingbackError, match=r"came_late is not .* too late: FastAPI copies the list"):
        call(send, app, came_late)
    with pytest.raises(RingbackError, match=r"'late' declares no callbacks, .* some: offers, orders"):
        client.post("/late")
    call(drain, app.state.ringback)
    assert sorted(request.target for request in receiver.requests) == ["/order", "/shared"]


def test_each_host_is_looked_up_once_and_a_refusal_names_its_own_parameter(open_app: Open) -> None:
    app, router = FastAPI(), APIRouter()

    @router.post("{$one}/x")
    def first(body: InvoiceEvent) -> None: ...

    @router.post("{$other}/x")
    def second(body: InvoiceEvent) -> None: ...

    @app.post("/orders", callbacks=router.routes)
    async def create_order(one: str, other: str, callbacks: Callbacks) -> None: ...

    client = open_app(app)
    answer = client.post("/orders?one=http://127.0.0.1/&other=http://10.0.0.1/")
    assert [problem["loc"] for problem in answer.json()["detail"]] == [["query", "other"]]


def test_a_function_under_another_decorator_is_still_the_callback(
    open_app: Open, receiver: LocalReceiver
) -> None:
    app, event = order_app(BASE + "/x")

    @wraps(event)
    def logged(*args: Any, **kwargs: Any) -> Any:
        return event(*args, **kwargs)

    client = open_app(app)
    assert client.post(f"/orders?hook={receiver.url}").is_success
    assert client.portal.call(send, app, logged)


@pytest.mark.parametrize("key", ["", "\ud800", "a\x00", "x" * 256])
def test_a_key_that_no_database_could_hold_is_refused(open_app: Open, key: str) -> None:
    app, event = order_app(BASE + "/x")
    client = open_app(app)
    with pytest.raises(UnusableValue, match=r"key: .* must have 1 to 255 characters"):
        client.portal.call(send, app, event, key)
