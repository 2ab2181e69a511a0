"""Reading an app: every level of declaration, nested routers, and the operation that is running."""

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, Request
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from pydantic import BaseModel
from starlette.routing import Route, WebSocketRoute

from ringback._contract import Contract
from ringback._declarations import operation_of, operation_of_endpoint, read
from ringback._document import publish
from ringback._errors import ContractError, RingbackError


class Order(BaseModel):
    id: str


def router_with(name: str, **options: Any) -> APIRouter:
    router = APIRouter(**options)

    @router.post(f"{{$hook}}/{name}", name=name)
    def callback(body: Order) -> None: ...

    return router


def create_order(order: Order, hook: str) -> None: ...


def test_callbacks_of_every_level_are_read() -> None:
    app = FastAPI(callbacks=router_with("app").routes)
    publish(app)
    router = APIRouter(callbacks=router_with("router").routes)
    router.post("/orders", callbacks=router_with("operation").routes)(create_order)
    app.include_router(router, callbacks=router_with("include").routes)
    (operation,) = {contract.operation for contract in read(app)}
    contracts = read(app).of_operation(operation)
    assert set(contracts) == {"app", "include", "router", "operation"}
    published = app.openapi()["paths"]["/orders"]["post"]["callbacks"]
    assert set(published) == set(contracts)


def test_a_router_included_twice_gives_two_operations(app: FastAPI) -> None:
    router = APIRouter()
    callbacks = router_with("event")
    router.post("/orders", callbacks=callbacks.routes)(create_order)
    app.include_router(router, prefix="/a")
    app.include_router(router, prefix="/b")
    contracts = read(app)
    assert {c.operation for c in contracts} == {"create_order_a_orders_post", "create_order_b_orders_post"}
    (route,) = callbacks.routes
    assert len(contracts.of_function(route.endpoint)) == 2  # type: ignore[attr-defined]


def test_a_callback_knows_its_function_and_where_it_stands(app: FastAPI) -> None:
    router = APIRouter()

    @router.delete("{$hook}/x")
    def gone() -> None: ...

    app.post("/orders", callbacks=router.routes)(create_order)
    contracts = read(app)
    (contract,) = contracts
    line = gone.__code__.co_firstlineno
    assert contract.function is gone
    assert contract.method == "DELETE"
    assert contract.declared_at.endswith(f"test_declarations.py:{line}")
    assert contracts.of_function(gone) == [contract]
    assert contracts.get(contract.operation, "gone") is contract
    assert contracts.get("nobody", "gone") is None
    assert contracts.of_function(create_order) == []


@pytest.mark.parametrize("method", ["get", "put", "post", "delete", "options", "head", "patch", "trace"])
def test_every_method_can_be_declared(app: FastAPI, only: Callable[[FastAPI], Contract], method: str) -> None:
    router = APIRouter()

    def event() -> None: ...

    getattr(router, method)("{$hook}/x")(event)
    app.post("/orders", callbacks=router.routes)(create_order)
    assert only(app).method == method.upper()


def test_other_routes_among_the_callbacks_are_no_callbacks(
    app: FastAPI, only: Callable[[FastAPI], Contract]
) -> None:
    async def nothing(request: Request) -> None: ...

    others = [Route("/x", nothing), WebSocketRoute("/y", nothing)]
    app.post("/orders", callbacks=[*others, *router_with("event").routes])(create_order)
    assert only(app).callback == "event"


def test_a_route_object_keeps_the_list_that_it_shares_with_its_router(app: FastAPI) -> None:
    callbacks = router_with("event")
    before = list(callbacks.routes)
    app.router.routes.append(APIRoute("/orders", create_order, methods=["POST"], callbacks=callbacks.routes))
    assert len(read(app)) == 1
    assert callbacks.routes == before
    assert "x-ringback-declared" in str(app.openapi())


def test_an_app_without_callbacks_has_no_contracts(app: FastAPI) -> None:
    app.post("/orders")(create_order)
    assert list(read(app)) == []
    assert not len(read(app))


def test_every_error_is_told_at_once(app: FastAPI) -> None:
    router = APIRouter()

    @router.post("{$hok}/x")
    def one(body: Order) -> None: ...

    @router.post("{$request.body#id}/x")
    def two(body: Order) -> None: ...

    app.post("/orders", callbacks=router.routes)(create_order)
    with pytest.raises(ContractError) as caught:
        read(app)
    assert len(caught.value.findings) == 2
    assert "Did you mean $request.query.hook?" in caught.value.findings[0]
    assert "test_declarations.py:" in caught.value.findings[0]
    assert "$request.body#/id" in caught.value.findings[1]


def test_warnings_are_kept_and_logged(app: FastAPI, caplog: pytest.LogCaptureFixture) -> None:
    router = APIRouter()

    @router.post("{$hook}/{$request.body#/name}")
    def event(body: Order) -> None: ...

    app.post("/orders", callbacks=router.routes)(create_order)
    contracts = read(app)
    assert [f.rule for f in contracts.findings] == ["source-undeclared"]
    assert "does not name" in caplog.text


def test_the_running_operation_is_found_under_every_prefix_and_mount() -> None:
    main, sub = FastAPI(), FastAPI()
    router = APIRouter()

    @router.get("/who/{name}")
    @router.get("/also")
    def who(request: Request) -> str:
        return operation_of(request.app, request)

    inner = APIRouter(prefix="/in")
    inner.include_router(router)
    for app in (main, sub):
        app.include_router(router, prefix="/a")
        app.include_router(inner, prefix="/b")
        app.get("/direct")(who)
    main.mount("/sub", sub)
    with TestClient(main) as client:
        for prefix in ("", "/sub"):
            answers = {
                path: client.get(prefix + path).json()
                for path in ("/a/who/x", "/b/in/who/x", "/a/also", "/direct")
            }
            assert answers == {
                "/a/who/x": "who_a_who__name__get",
                "/b/in/who/x": "who_b_in_who__name__get",
                "/a/also": "who_a_also_get",
                "/direct": "who_direct_get",
            }
    with TestClient(main, root_path="/proxy") as client:
        assert client.get("/a/also").json() == "who_a_also_get"


def test_a_router_that_is_included_later_is_found_too(app: FastAPI) -> None:
    router = APIRouter()

    @router.get("/who")
    def who(request: Request) -> str:
        return operation_of(request.app, request)

    app.include_router(router, prefix="/a")
    with TestClient(app) as client:
        assert client.get("/a/who").json() == "who_a_who_get"
        app.include_router(router, prefix="/b")
        assert client.get("/b/who").json() == "who_b_who_get"
        assert client.get("/a/who").json() == "who_a_who_get"


def test_an_app_that_has_been_called_can_be_forgotten() -> None:
    app = FastAPI()

    @app.get("/who")
    def who(request: Request) -> str:
        return operation_of(request.app, request)

    with TestClient(app) as client:
        client.get("/who")
    forgotten = weakref.ref(app)
    del app, who, client
    gc.collect()
    assert forgotten() is None


def test_an_explicit_operation_id_is_the_operations_name(app: FastAPI) -> None:
    app.post("/orders", operation_id="createOrder", callbacks=router_with("event").routes)(create_order)
    assert read(app).get("createOrder", "event") is not None
    assert operation_of_endpoint(app, create_order) == "createOrder"


def test_an_endpoint_of_several_operations_must_be_named_by_id(app: FastAPI) -> None:
    app.post("/a")(create_order)
    app.post("/b")(create_order)
    with pytest.raises(RingbackError, match=r"2 operations .*: create_order_a_post, create_order_b_post"):
        operation_of_endpoint(app, create_order)
    with pytest.raises(RingbackError, match="0 operations"):
        operation_of_endpoint(app, read)
