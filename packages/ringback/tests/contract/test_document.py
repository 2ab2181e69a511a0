"""The published document: valid, true, and still there after everything that an app does to it."""

from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Header
from fastapi.openapi.utils import get_openapi
from fastapi.security import HTTPBearer
from fastapi.testclient import TestClient
from openapi_spec_validator import validate
from pydantic import BaseModel, Field, computed_field

from ringback._declarations import read
from ringback._document import publish
from ringback._rules.documents import judge_document
from ringback._rules.findings import Severity


class Order(BaseModel):
    id: str


class Event(BaseModel):
    net: int
    ref: str = Field("r", validation_alias="refIn", serialization_alias="refOut")

    @computed_field  # type: ignore[prop-decorator]
    @property
    def total(self) -> int:
        return self.net * 2


class Ack(BaseModel):
    ok: bool

    @computed_field  # type: ignore[prop-decorator]
    @property
    def echo(self) -> str:
        return "x"


def declare(app: FastAPI, router: APIRouter, path: str = "/orders") -> None:
    @app.post(path, callbacks=router.routes)
    def create_order(order: Order, hook: str) -> None: ...


def simple_router(**options: Any) -> APIRouter:
    router = APIRouter(**options)

    @router.post("{$hook}/orders/{$request.body.id}", response_model=Ack)
    def order_event(body: Event) -> None:
        """What happened to an order."""

    return router


def callbacks_of(document: dict[str, Any], path: str = "/orders") -> dict[str, Any]:
    """Name to (key, method, operation)."""
    found = {}
    for name, callback in document["paths"][path]["post"]["callbacks"].items():
        ((key, item),) = callback.items()
        ((method, operation),) = item.items()
        found[name] = (key, method, operation)
    return found


def assert_true(document: dict[str, Any]) -> None:
    validate(document)
    assert [str(f) for f in judge_document(document) if f.severity is Severity.ERROR] == []


def test_body_is_published_as_it_is_sent_and_answer_as_it_is_read(app: FastAPI) -> None:
    declare(app, simple_router())
    document = app.openapi()
    schemas = document["components"]["schemas"]
    assert set(schemas["Event"]["properties"]) == {"net", "refOut", "total"}
    assert set(schemas["Ack"]["properties"]) == {"ok"}
    assert_true(document)


def test_a_model_used_both_ways_is_published_in_both(app: FastAPI) -> None:
    router = simple_router()
    declare(app, router)

    @app.post("/events")
    def take_event(event: Event) -> Ack:
        raise NotImplementedError

    document = app.openapi()
    assert {"Event-Input", "Event-Output", "Ack-Input", "Ack-Output"} <= set(
        document["components"]["schemas"]
    )
    body = callbacks_of(document)["order_event"][2]["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/Event-Output"}
    assert_true(document)


def test_the_users_own_routes_stay_as_they_were(app: FastAPI) -> None:
    router = simple_router()
    (route,) = router.routes
    before = dict(vars(route))
    declare(app, router)
    app.openapi()
    assert vars(route) == before
    assert route.body_field.mode == "validation"  # type: ignore[attr-defined]


def test_a_description_of_ones_own_stays_in_front(app: FastAPI) -> None:
    publish_with_policy = FastAPI()
    publish(publish_with_policy, policy="Repeated for three days.")
    declare(publish_with_policy, simple_router())
    text = callbacks_of(publish_with_policy.openapi())["order_event"][2]["description"]
    assert text.startswith("What happened to an order.\n\n")
    assert "query parameter `hook`" in text
    assert "`id` of the request's body" in text
    assert "Declared as `{$hook}/orders/{$request.body.id}`" in text
    assert text.endswith("\n\nRepeated for three days.")


def test_signature_headers_are_documented_once(app: FastAPI) -> None:
    def signed(webhook_id: Annotated[str, Header(description="mine")]) -> None: ...

    declare(app, simple_router(dependencies=[Depends(signed)]))
    parameters = callbacks_of(app.openapi())["order_event"][2]["parameters"]
    assert sorted(p["name"] for p in parameters) == ["webhook-id", "webhook-signature", "webhook-timestamp"]
    assert {p["description"] for p in parameters if p["name"] == "webhook-id"} == {"mine"}
    (contract,) = read(app)
    assert contract.dump(Event.model_validate({"net": 1})).headers == (("content-type", "application/json"),)


def test_the_automatic_422_goes_and_leaves_no_model_behind(app: FastAPI) -> None:
    router = simple_router()

    @app.get("/orders", callbacks=router.routes)
    def list_orders() -> None: ...

    document = app.openapi()
    assert "ValidationError" not in str(document)
    validate(document)


@pytest.mark.parametrize("declared", [{422: {"description": "Bad"}}, {"422": {"model": Order}}])
def test_a_422_that_was_declared_stays(app: FastAPI, declared: dict[int | str, dict[str, Any]]) -> None:
    router = APIRouter()

    @router.post("{$request.query.hook}/x", responses=declared)
    def order_event(body: Event) -> None: ...

    declare(app, router)
    assert "422" in callbacks_of(app.openapi())["order_event"][2]["responses"]


def test_a_422_from_openapi_extra_stays(app: FastAPI) -> None:
    router = APIRouter()

    @router.post(
        "{$request.query.hook}/x", openapi_extra={"responses": {"422": {"description": "Never happens"}}}
    )
    def order_event(body: Event) -> None: ...

    declare(app, router)
    assert "422" in callbacks_of(app.openapi())["order_event"][2]["responses"]


def test_a_security_scheme_that_only_a_callback_names_is_added(app: FastAPI) -> None:
    declare(app, simple_router(dependencies=[Depends(HTTPBearer())]))
    document = app.openapi()
    assert document["components"]["securitySchemes"] == {"HTTPBearer": {"type": "http", "scheme": "bearer"}}
    assert_true(document)


def test_a_callback_does_not_inherit_the_security_of_the_api(app: FastAPI) -> None:
    declare(app, simple_router())
    assert callbacks_of(app.openapi())["order_event"][2]["security"] == []


def test_operation_ids_of_shared_callbacks_are_unique_and_stable(app: FastAPI) -> None:
    router = simple_router()
    declare(app, router, "/orders")
    declare(app, router, "/offers")
    document = app.openapi()
    ids = [callbacks_of(document, path)["order_event"][2]["operationId"] for path in ("/orders", "/offers")]
    assert ids == ["create_order_orders_post_order_event", "create_order_offers_post_order_event"]
    assert app.openapi() == document
    assert_true(document)


def test_nested_routers_and_prefixes_are_published_where_they_are_called(app: FastAPI) -> None:
    outer, inner, innermost = APIRouter(), APIRouter(prefix="/in"), APIRouter()

    @innermost.put("{$hook}/a/{$request.body.id}")
    def deep(body: Event) -> None: ...

    @outer.post("{$hook}/b")
    def shallow(body: Event) -> None: ...

    inner.include_router(innermost)
    outer.include_router(inner, prefix="/pre")
    declare(app, outer)
    found = callbacks_of(app.openapi())
    assert found["deep"][:2] == ("{$request.query.hook}/pre/in/a/{$request.body#/id}", "put")
    assert found["shallow"][:2] == ("{$request.query.hook}/b", "post")
    assert_true(app.openapi())
    assert len(read(app)) == 2


@pytest.mark.parametrize("when", ["before", "after"])
def test_it_survives_a_custom_openapi_function(when: str) -> None:
    app = FastAPI()
    if when == "after":
        publish(app)

    def custom_openapi() -> dict[str, Any]:
        if not app.openapi_schema:
            app.openapi_schema = get_openapi(title="Custom", version="2", routes=app.routes)
            app.openapi_schema["info"]["x-logo"] = {"url": "logo.png"}
        return app.openapi_schema

    app.openapi = custom_openapi  # type: ignore[method-assign]
    if when == "before":
        publish(app)
    declare(app, simple_router())
    document = app.openapi()
    assert document["info"]["x-logo"]
    assert set(callbacks_of(document)["order_event"][2]["responses"]) == {"200"}
    assert set(document["components"]["schemas"]["Event"]["properties"]) == {"net", "refOut", "total"}
    assert app.openapi() is document
    assert len(read(app)) == 1


def test_a_custom_function_may_call_what_stood_there_before(app: FastAPI) -> None:
    declare(app, simple_router())
    original = app.openapi

    def with_title() -> dict[str, Any]:
        return {**original(), "x-mine": True}

    app.openapi = with_title  # type: ignore[method-assign]
    assert app.openapi()["x-mine"]
    assert "x-ringback-declared" in callbacks_of(app.openapi())["order_event"][2]
    del app.openapi
    assert "x-mine" not in app.openapi()


def test_a_subclass_of_fastapi_keeps_its_own_openapi() -> None:
    class Own(FastAPI):
        def openapi(self) -> dict[str, Any]:
            document = super().openapi()
            document["info"]["title"] = "Own"
            return document

    app = Own()
    publish(app)
    publish(app)
    declare(app, simple_router())
    assert app.openapi()["info"]["title"] == "Own"
    assert "x-ringback-declared" in callbacks_of(app.openapi())["order_event"][2]
    assert isinstance(app, Own)
    assert type(app).__name__ == "Own"


def test_routes_added_after_the_first_look_are_published_too(app: FastAPI) -> None:
    declare(app, simple_router())
    app.openapi()
    declare(app, simple_router(), "/later")
    assert "x-ringback-declared" in callbacks_of(app.openapi(), "/later")["order_event"][2]
    assert len(read(app)) == 2


def test_the_app_serves_the_same_document(app: FastAPI) -> None:
    declare(app, simple_router())
    with TestClient(app) as client:
        assert client.get("/openapi.json").json() == app.openapi()
        assert client.get("/docs").status_code == 200


def test_other_apps_are_left_alone(app: FastAPI) -> None:
    other = FastAPI()
    declare(other, simple_router())
    assert "x-ringback-declared" not in str(other.openapi())
    assert type(other) is FastAPI
