"""What FastAPI would lose or falsify in silence is named at the start, with the fix."""

from collections.abc import Callable
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, BackgroundTasks, Body, Depends, FastAPI, File, Header, Query, Request
from fastapi.security import HTTPBearer
from pydantic import BaseModel, Field

from ringback._declarations import examine
from ringback._document import publish
from ringback._rules.findings import Severity


class Order(BaseModel):
    id: str
    lines: list[str] = []
    note: str | None = None


class Aliased(BaseModel):
    ref: str = Field(validation_alias="in", serialization_alias="out")


def create_order(order: Order, hook: str, token: Annotated[str, Header()]) -> None: ...


def tenant(x_tenant: Annotated[str, Header()]) -> None: ...


def body_too(more: Annotated[Order, Body()]) -> None: ...


def optional_tenant(x_tenant: Annotated[str | None, Header()] = None) -> None: ...


Declare = Callable[[APIRouter], None]


def names_twice(r: APIRouter) -> None:
    @r.post("{$hook}/1", name="event")
    def one(body: Order) -> None: ...

    @r.put("{$hook}/2", name="event")
    def two(body: Order) -> None: ...


def function_twice(r: APIRouter) -> None:
    @r.post("{$hook}/1", name="one")
    @r.post("{$hook}/2", name="two")
    def event(body: Order) -> None: ...


def two_methods(r: APIRouter) -> None:
    @r.api_route("{$hook}/1", methods=["POST", "PUT"])
    def event(body: Order) -> None: ...


def hidden(r: APIRouter) -> None:
    @r.post("{$hook}/1", include_in_schema=False)
    def event(body: Order) -> None: ...


def takes_request(r: APIRouter) -> None:
    @r.post("{$hook}/1")
    def event(body: Order, request: Request) -> None: ...


def takes_tasks(r: APIRouter) -> None:
    @r.post("{$hook}/1")
    def event(body: Order, tasks: BackgroundTasks) -> None: ...


def takes_dependency(r: APIRouter) -> None:
    @r.post("{$hook}/1")
    def event(body: Order, of: Annotated[None, Depends(optional_tenant)]) -> None: ...


def needs_tenant(r: APIRouter) -> None:
    @r.post("{$hook}/1", dependencies=[Depends(tenant)])
    def event(body: Order) -> None: ...


def needs_a_second_body(r: APIRouter) -> None:
    @r.post("{$hook}/1", dependencies=[Depends(body_too)])
    def event(body: Order) -> None: ...


def an_image(r: APIRouter) -> None:
    @r.post("{$hook}/1")
    def event(body: Annotated[bytes, Body(media_type="image/png")]) -> None: ...


def a_file(r: APIRouter) -> None:
    @r.post("{$hook}/1")
    def event(body: Annotated[bytes, File()]) -> None: ...


def key(text: str, **options: Any) -> Declare:
    def declare(r: APIRouter) -> None:
        @r.post(text, **options)
        def event(body: Order) -> None: ...

    return declare


def repeats_argument(r: APIRouter) -> None:
    @r.post("{$hook}/{$request.body#/id}")
    def event(body: Order, id: str) -> None: ...


def reserved_header(r: APIRouter) -> None:
    @r.post("{$hook}/x")
    def event(body: Order, content_length: Annotated[int, Header()]) -> None: ...


def options_body(r: APIRouter) -> None:
    @r.options("{$hook}/x")
    def event(body: Order) -> None: ...


def signature_argument(r: APIRouter) -> None:
    @r.post("{$hook}/x")
    def event(body: Order, webhook_id: Annotated[str, Header()]) -> None: ...


ERRORS: dict[str, tuple[Declare, str, list[str]]] = {
    "two names": (names_twice, "callback-name-duplicate", ["publishes only the last", "name=..."]),
    "one function twice": (function_twice, "callback-registered-twice", ["could mean either"]),
    "two methods": (two_methods, "methods-several", ["POST and PUT", "one function for each"]),
    "hidden": (hidden, "not-documented", ["include_in_schema=False hides the callback"]),
    "a request": (takes_request, "argument-not-sent", ["'request'", "Remove it"]),
    "tasks": (takes_tasks, "argument-not-sent", ["'tasks'"]),
    "a dependency": (takes_dependency, "argument-not-sent", ["'of'", "dependencies=[...]"]),
    "a header of a dependency": (needs_tenant, "dependency-not-sent", ["needs the header", "x-tenant"]),
    "a body of a dependency": (needs_a_second_body, "dependency-not-sent", ["body_too needs the body"]),
    "an image": (an_image, "media-type-unknown", ["image/png"]),
    "a file": (a_file, "media-type-unknown", ["multipart/form-data"]),
    "no such parameter": (key("{$nobody}/x"), "expression-invalid", ["no parameter 'nobody'"]),
    "a misspelt parameter": (key("{$hok}/x"), "expression-invalid", ["Did you mean $request.query.hook?"]),
    "an undeclared source": (key("{$request.query.u}/x"), "source-undeclared", ["query parameter 'u'"]),
    "an undeclared header": (key("{$hook}/{$request.header.x-a}"), "source-undeclared", ["header parameter"]),
    "a list": (key("{$hook}/{$request.body#/lines}"), "source-not-a-text", ["is array", "Point to"]),
    "a secret header": (key("{$hook}/{$request.header.Authorization}"), "source-secret", ["logs"]),
    "the whole body": (key("{$hook}/{$request.body}"), "source-secret", ["$request.body#/id"]),
    "the own URL": (key("{$hook}/{$url}"), "source-secret", ["$url"]),
    "no base": (key("/x"), "expression-invalid", ["which host"]),
    "a convertor": (key("{$hook}/{x:path}"), "expression-invalid", ["Write {x}"]),
    "an unfilled parameter": (key("{$hook}/{kind}"), "path-parameter-missing", ["{kind}"]),
    "a repeated argument": (repeats_argument, "argument-repeats-source", ["Remove the argument id"]),
    "a signature header": (signature_argument, "header-reserved", ["each delivery writes itself"]),
    "a body without a place": (options_body, "body-not-documented", ["OPTIONS"]),
    "a reserved header": (reserved_header, "header-reserved", ["content-length"]),
}

BEARER = [Depends(HTTPBearer())]

WARNINGS: dict[str, tuple[Declare, str, list[str]]] = {
    "credentials": (key("{$hook}/x", dependencies=BEARER), "credentials-not-sent", ["HTTPBearer"]),
    "an optional source": (key("{$hook}/{$request.body#/note}"), "source-optional", ["leave out"]),
    "an unnamed source": (key("{$hook}/{$request.body#/nme}"), "source-undeclared", ["does not name"]),
    "no success": (key("{$hook}/x", status_code=410), "no-success-response", ["acknowledge"]),
}


def findings(declare: Declare, **options: Any) -> list[tuple[str, str, str]]:
    app = FastAPI(**options)
    publish(app)
    router = APIRouter()
    declare(router)
    app.post("/orders", callbacks=router.routes)(create_order)
    return [(f.severity.value, f.rule, str(f)) for f in examine(app)[1]]


@pytest.mark.filterwarnings("ignore:Duplicate Operation ID")
@pytest.mark.parametrize("case", ERRORS)
def test_an_error_names_the_function_the_line_the_loss_and_the_fix(case: str) -> None:
    declare, rule, phrases = ERRORS[case]
    found = findings(declare)
    texts = [text for severity, name, text in found if (severity, name) == ("error", rule)]
    assert texts, found
    for phrase in [*phrases, "test_route_rules.py:", "callback of create_order_orders_post"]:
        assert phrase in texts[0]


@pytest.mark.parametrize("case", WARNINGS)
def test_a_warning_does_not_keep_an_app_from_starting(case: str) -> None:
    declare, rule, phrases = WARNINGS[case]
    found = findings(declare)
    assert "error" not in [severity for severity, _, _ in found]
    texts = [text for severity, name, text in found if (severity, name) == ("warning", rule)]
    assert texts, found
    assert all(phrase in texts[0] for phrase in phrases)


def test_a_good_declaration_has_no_finding() -> None:
    def good(r: APIRouter) -> None:
        @r.post("{$hook}/{$request.body#/id}/{kind}", dependencies=[Depends(optional_tenant)])
        def event(body: Order, kind: str, page: Annotated[int, Query()] = 1) -> None: ...

    assert findings(good) == []


def test_a_source_that_carries_secrets_can_be_allowed_by_name() -> None:
    app = FastAPI()
    publish(app)
    router = APIRouter()
    key("{$hook}/{$url}")(router)
    app.post("/orders", callbacks=router.routes)(create_order)
    assert examine(app, allowed=["$url"])[1] == []


def test_an_operation_of_several_methods_cannot_have_callbacks(app: FastAPI) -> None:
    router = APIRouter()
    key("{$hook}/x")(router)
    api = APIRouter(callbacks=router.routes)
    api.api_route("/orders", methods=["PUT", "PATCH"])(create_order)
    app.include_router(api)
    with pytest.warns(UserWarning, match="Duplicate Operation ID"):
        found = examine(app)[1]
    assert "takes PATCH and PUT at once" in str(found[0])


def test_a_hidden_operation_cannot_have_callbacks(app: FastAPI) -> None:
    router = APIRouter()
    key("{$hook}/x")(router)
    app.post("/orders", callbacks=router.routes, include_in_schema=False)(create_order)
    assert "hides its operation" in str(examine(app)[1][0])


def test_two_operations_of_one_id_cannot_both_have_callbacks(app: FastAPI) -> None:
    def create_offer(hook: str) -> None: ...

    for path, endpoint in (("/orders", create_order), ("/offers", create_offer)):
        router = APIRouter()
        key("{$hook}/x")(router)
        app.post(path, callbacks=router.routes, operation_id="same")(endpoint)
    with pytest.warns(UserWarning, match="Duplicate Operation ID"):
        found = examine(app)[1]
    assert {f.rule for f in found if f.severity is Severity.ERROR} == {"operation-id-duplicate"}


@pytest.mark.parametrize("options", [{"operation_id": "event"}, {}])
def test_a_callback_may_not_share_the_id_of_another_operation(app: FastAPI, options: Any) -> None:
    router = APIRouter()
    key("{$hook}/x", **options)(router)
    app.post("/orders", callbacks=router.routes, operation_id="create")(create_order)
    app.get("/orders", operation_id=options.get("operation_id", "create"))(tenant)
    with pytest.warns(UserWarning, match="Duplicate Operation ID"):
        (found,) = examine(app)[1]
    assert found.rule == "operation-id-duplicate"
    assert "stands 2 times" in found.message


def test_a_callback_router_that_is_included_as_well_is_named(app: FastAPI) -> None:
    router = APIRouter()
    key("{$hook}/x")(router)
    app.post("/orders", callbacks=router.routes)(create_order)
    app.include_router(router)
    with pytest.warns(UserWarning, match="Duplicate Operation ID"):
        found = examine(app)[1]
    assert [f.rule for f in found] == ["callback-as-route"]
    assert "do not include it" in str(found[0])


def test_a_custom_document_that_drops_the_callbacks_is_named(app: FastAPI) -> None:
    router = APIRouter()
    key("{$hook}/x")(router)
    app.post("/orders", callbacks=router.routes)(create_order)
    app.openapi = lambda: {"openapi": "3.1.0", "paths": {}}  # type: ignore[method-assign]
    (finding,) = examine(app)[1]
    assert finding.rule == "not-documented"
    assert "app.openapi" in finding.fix


@pytest.mark.parametrize(("separate", "severity"), [(True, "note"), (False, "error")])
def test_a_body_that_is_written_as_it_is_not_read_is_told(separate: bool, severity: str) -> None:
    def aliased(r: APIRouter) -> None:
        @r.post("{$hook}/x")
        def event(body: Aliased) -> None: ...

    found = findings(aliased, separate_input_output_schemas=separate)
    assert [(s, rule) for s, rule, _ in found] == [(severity, "modes-differ")]


def test_without_ringback_the_tutorials_spelling_is_an_error() -> None:
    app = FastAPI()
    router = APIRouter()
    key("{$hook}/{$request.body.id}")(router)
    app.post("/orders", callbacks=router.routes)(create_order)
    found = [f for f in examine(app, dialect=False)[1] if f.severity is Severity.ERROR]
    assert "$hook and $request.body.id are no runtime expressions" in str(found[0])
    assert "Write {$request.query.hook}/{$request.body#/id}." in str(found[0])
