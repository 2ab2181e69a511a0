"""What we rely on in FastAPI without a promise. If one fails, `_declarations` has to learn something new.

Run on the oldest FastAPI that the package allows and on the newest.
"""

import copy
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Body, Depends, FastAPI, Form, Header, Path, Query, Request
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, iter_route_contexts
from fastapi.security import HTTPBearer
from fastapi.testclient import TestClient
from pydantic import BaseModel, Field, computed_field


class Event(BaseModel):
    ref: str = Field(validation_alias="in", serialization_alias="out")

    @computed_field  # type: ignore[prop-decorator]
    @property
    def total(self) -> int:
        return 1


def event(body: Event) -> None: ...


def create(hook: str) -> None: ...


def callbacks(app: FastAPI, path: str = "/x") -> dict[str, Any]:
    found: dict[str, Any] = app.openapi()["paths"][path]["post"].get("callbacks", {})
    return found


def route_of(router: APIRouter, *arguments: Any, **options: Any) -> APIRoute:
    router.post("{$hook}/x", **options)(*arguments)
    route = router.routes[-1]
    assert isinstance(route, APIRoute)
    return route


def test_expressions_are_literal_text_in_a_route() -> None:
    route = route_of(APIRouter(), event)
    assert route.path == "{$hook}/x"
    assert not route.param_convertors


def test_a_callback_is_published_under_its_name_and_raw_path() -> None:
    app, router = FastAPI(), APIRouter()
    route_of(router, event, name="other")
    app.post("/x", callbacks=router.routes)(create)
    assert list(callbacks(app)) == ["other"]
    assert list(callbacks(app)["other"]) == ["{$hook}/x"]


def test_a_direct_route_holds_a_list_of_its_own_that_can_be_replaced() -> None:
    app, router = FastAPI(), APIRouter()
    route_of(router, event)
    app.post("/x", callbacks=router.routes)(create)
    (context,) = [c for c in iter_route_contexts(app.routes) if c.path == "/x"]
    original = context.original_route
    assert isinstance(original, APIRoute)
    assert context.callbacks is original.callbacks
    assert original.callbacks is not router.routes
    original.callbacks = []
    assert not callbacks(app)


def test_an_included_route_gives_the_same_merged_list_each_time() -> None:
    app, router, api = FastAPI(), APIRouter(), APIRouter()
    route_of(router, event)
    api.post("/x", callbacks=router.routes)(create)
    app.include_router(api, prefix="/a", callbacks=router.routes)
    (context,) = [c for c in iter_route_contexts(app.routes) if c.path == "/a/x"]
    (again,) = [c for c in iter_route_contexts(app.routes) if c.path == "/a/x"]
    assert context.callbacks is again.callbacks
    assert len(context.callbacks) == 2
    context.callbacks[:] = []
    assert not callbacks(app, "/a/x")


def test_the_context_of_a_nested_callback_route_is_complete() -> None:
    outer, inner = APIRouter(tags=["outer"]), APIRouter()
    route_of(inner, event, tags=["inner"])
    outer.include_router(inner, prefix="/pre", dependencies=[Depends(create)])
    ((context),) = iter_route_contexts(outer.routes)
    assert context.path == "/pre{$hook}/x"
    assert context.tags == ["outer", "inner"]
    assert len(context.dependencies) == 1
    for name in ("path_format", "path_regex", "param_convertors", "unique_id", "dependant", "responses"):
        assert getattr(context, name) is not None
    for name in ("response_fields", "response_field", "body_field", "response_class", "include_in_schema"):
        assert hasattr(context, name)


def test_the_mode_of_a_field_decides_what_is_published() -> None:
    app, router = FastAPI(), APIRouter()
    route = copy.copy(route_of(router, event, response_model=Event))
    assert (route.body_field.mode, route.response_field.mode) == ("validation", "serialization")  # type: ignore[union-attr]
    route.body_field, route.response_field = copy.copy(route.body_field), copy.copy(route.response_field)
    route.body_field.mode, route.response_field.mode = "serialization", "validation"  # type: ignore[union-attr]
    app.post("/x", callbacks=[route])(create)
    operation = callbacks(app)["event"]["{$hook}/x"]["post"]
    schemas = app.openapi()["components"]["schemas"]

    def properties(node: dict[str, Any]) -> set[str]:
        name = node["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        return set(schemas[name]["properties"])

    assert properties(operation["requestBody"]) == {"out", "total"}
    assert properties(operation["responses"]["200"]) == {"in"}


def test_the_fields_of_a_function_stand_in_its_dependant() -> None:
    def many(
        kind: Annotated[str, Path()],
        body: Annotated[Event, Body()],
        more: Annotated[int, Body(alias="m")] = 3,
        x_a: Annotated[str | None, Header()] = None,
        q: Annotated[int, Query(alias="Q")] = 2,
    ) -> None: ...

    router = APIRouter()
    router.post("{$hook}/{kind}", dependencies=[Depends(create)])(many)
    (route,) = router.routes
    assert isinstance(route, APIRoute)
    dependant = route.dependant
    assert route._embed_body_fields
    assert [(f.name, f.alias, f.field_info.is_required()) for f in dependant.body_params] == [
        ("body", "body", True),
        ("more", "m", False),
    ]
    assert [f.get_default() for f in dependant.query_params] == [2]
    assert [(f.name, f.alias) for f in dependant.query_params] == [("q", "Q")]
    assert [(f.name, f.alias) for f in dependant.header_params] == [("x_a", "x-a")]
    assert [f.name for f in dependant.path_params] == ["kind"]
    assert [d.call for d in dependant.dependencies] == [create]
    assert dependant.body_params[0].field_info.annotation is Event


def test_a_single_body_is_not_embedded_and_a_form_is_a_form() -> None:
    def form(a: Annotated[str, Form()]) -> None: ...

    assert not route_of(APIRouter(), event)._embed_body_fields
    route = route_of(APIRouter(), form)
    assert route._embed_body_fields
    assert route.body_field.field_info.media_type == "application/x-www-form-urlencoded"  # type: ignore[union-attr]


def test_the_automatic_422_refers_to_a_model_of_that_name() -> None:
    app, router = FastAPI(), APIRouter()
    route_of(router, event)
    app.post("/x", callbacks=router.routes)(create)
    response = callbacks(app)["event"]["{$hook}/x"]["post"]["responses"]["422"]
    reference = {"$ref": "#/components/schemas/HTTPValidationError"}
    assert response["content"]["application/json"]["schema"] == reference


def test_the_running_request_knows_its_original_route() -> None:
    app, api = FastAPI(), APIRouter()
    seen: list[Any] = []

    @api.get("/x/{n}", status_code=202)
    def x(request: Request, n: int) -> None:
        seen.append(request.scope["route"])

    app.include_router(api, prefix="/a")
    with TestClient(app) as client:
        client.get("/a/x/1")
    assert seen == api.routes
    assert seen[0].status_code == 202
    (context,) = [c for c in iter_route_contexts(app.routes) if c.original_route is seen[0]]
    assert context.path_regex.match("/a/x/1")
    assert not context.path_regex.match("/x/1")


def test_openapi_is_an_ordinary_method_that_an_assignment_hides() -> None:
    app = FastAPI()
    assert callable(FastAPI.openapi)
    app.openapi = lambda: {"mine": 1}  # type: ignore[method-assign]
    assert "openapi" in vars(app)
    with TestClient(app) as client:
        assert client.get("/openapi.json").json() == {"mine": 1}


def test_security_schemes_of_a_route_are_published_when_it_stands_alone() -> None:
    route = route_of(APIRouter(), event, dependencies=[Depends(HTTPBearer())])
    alone = get_openapi(title="t", version="1", routes=[route])
    assert alone["components"]["securitySchemes"] == {"HTTPBearer": {"type": "http", "scheme": "bearer"}}


@pytest.mark.parametrize("loss", ["nested", "security", "same name"])
def test_fastapi_still_loses_what_we_repair_or_refuse(loss: str) -> None:
    app, router = FastAPI(), APIRouter()
    if loss == "nested":
        outer = APIRouter()
        route_of(router, event)
        outer.include_router(router)
        app.post("/x", callbacks=outer.routes)(create)
        assert not callbacks(app)
    elif loss == "security":
        route_of(router, event, dependencies=[Depends(HTTPBearer())])
        app.post("/x", callbacks=router.routes)(create)
        assert "securitySchemes" not in app.openapi()["components"]
    else:
        route_of(router, event)
        router.put("{$hook}/y", name="event")(create)
        app.post("/x", callbacks=router.routes)(create)
        assert list(callbacks(app)["event"]) == ["{$hook}/y"]
