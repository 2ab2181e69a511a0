"""The page that lists the rules has all of them, each with what Ringback really says of an example."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Body, Depends, FastAPI, Header, Request
from fastapi.security import HTTPBearer
from pydantic import BaseModel, Field

from ringback._declarations import examine
from ringback._document import publish
from ringback._rules.documents import judge_document
from ringback._rules.findings import Finding

ROOT = Path(__file__).parents[4]
PAGE = (ROOT / "docs" / "reference" / "contract-rules.md").read_text()
RULES = ROOT / "packages" / "ringback" / "src" / "ringback"
ENTRY = re.compile(r"^### `([a-z0-9-]+)`\n\n(.*?)```text\n(error|warning|note): (.*?)\n```", re.M | re.S)


class Order(BaseModel):
    id: str
    lines: list[str] = []
    note: str | None = None


class Aliased(BaseModel):
    ref: str = Field(validation_alias="in", serialization_alias="out")


def tenant(x_tenant: Annotated[str, Header()]) -> None: ...


def event(body: Order) -> None: ...


def takes_request(body: Order, request: Request) -> None: ...


def image(body: Annotated[bytes, Body(media_type="image/png")]) -> None: ...


def aliased(body: Aliased) -> None: ...


def signed(body: Order, webhook_id: Annotated[str, Header()]) -> None: ...


def repeating(body: Order, id: str) -> None: ...


Declare = Callable[[APIRouter], Any]


def on(key: str, function: Any = event, method: str = "post", **options: Any) -> Declare:
    return lambda router: getattr(router, method)(key, **options)(function)


def both(*declare: Declare) -> Declare:
    return lambda router: [one(router) for one in declare]


DECLARED: dict[str, Declare] = {
    "argument-not-sent": on("{$hook}/x", takes_request),
    "argument-repeats-source": on("{$hook}/{$request.body#/id}", repeating),
    "base-optional": on("{$other}/x"),
    "body-not-documented": on("{$hook}/x", method="options"),
    "callback-name-duplicate": both(
        on("{$hook}/1", name="event"), on("{$hook}/2", lambda: None, name="event")
    ),
    "callback-registered-twice": both(on("{$hook}/1", name="one"), on("{$hook}/2", name="two")),
    "credentials-not-sent": on("{$hook}/x", dependencies=[Depends(HTTPBearer())]),
    "dependency-not-sent": on("{$hook}/x", dependencies=[Depends(tenant)]),
    "expression-invalid": on("{$hok}/x"),
    "header-reserved": on("{$hook}/x", signed),
    "media-type-unknown": on("{$hook}/x", image),
    "methods-several": lambda router: router.api_route("{$hook}/x", methods=["POST", "PUT"])(event),
    "modes-differ": on("{$hook}/x", aliased),
    "name-too-long": on("{$hook}/x", name="event_" * 50),
    "no-success-response": on("{$hook}/x", status_code=410),
    "not-documented": on("{$hook}/x", include_in_schema=False),
    "path-parameter-missing": on("{$hook}/{kind}"),
    "source-not-a-text": on("{$hook}/{$request.body#/lines}"),
    "source-optional": on("{$hook}/{$request.body#/note}"),
    "source-secret": on("{$hook}/{$request.header.authorization}"),
    "source-undeclared": on("{$hook}/{$request.header.x-a}"),
}


def of_app(declare: Declare) -> list[Finding]:
    app, router = FastAPI(), APIRouter()
    publish(app)
    declare(router)

    @app.post("/orders", callbacks=router.routes, operation_id="create_order")
    def create_order(
        order: Order, hook: str, authorization: Annotated[str, Header()], other: str | None = None
    ) -> None: ...

    return examine(app)[1]


KEY = "{$request.query.hook}/orders"


def document(key: str = KEY, **changes: Any) -> dict[str, Any]:
    """An OpenAPI document with one callback, of which `changes` are fields."""
    callback = {"operationId": "event", "responses": {"200": {"description": "OK"}}, **changes}
    return {
        "openapi": "3.1.0",
        "info": {"title": "t", "version": "1"},
        "paths": {
            "/orders": {
                "post": {
                    "operationId": "create_order",
                    "parameters": [{"name": "hook", "in": "query", "required": True, "schema": {}}],
                    "responses": {"201": {"description": "Created"}},
                    "callbacks": {"event": {key: {"post": callback}}},
                }
            }
        },
        "components": {"schemas": {"HTTPValidationError": {}}},
    }


def body(schema: Any) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": schema}}}


def emptied() -> dict[str, Any]:
    found = document()
    found["paths"]["/orders"]["post"]["callbacks"]["event"][KEY] = {}
    return found


AUTOMATIC = body({"$ref": "#/components/schemas/HTTPValidationError"})
DOCUMENTS: dict[str, dict[str, Any]] = {
    "automatic-422": document(
        responses={"200": {"description": "OK"}, "422": {"description": "", **AUTOMATIC}}
    ),
    "callback-in-callback": document(callbacks={"more": {}}),
    "empty-callback": emptied(),
    "expression-before-base": document("/events{$request.query.hook}"),
    "malformed": document(requestBody={"content": {"application/json": 7}}),
    "operation-id-duplicate": document(operationId="create_order"),
    "reference-dangling": document(requestBody=body({"$ref": "#/components/schemas/Event"})),
    "schema-invalid": document(requestBody=body({"type": "bolean"})),
    "security-scheme-missing": document(security=[{"bearer": []}]),
    "version-unknown": {"swagger": "2.0"},
}


def of_route() -> list[Finding]:
    app, router = FastAPI(), APIRouter()
    publish(app)
    on("{$hook}/x")(router)
    app.include_router(router)
    return examine(app)[1]


@pytest.mark.filterwarnings("ignore:Duplicate Operation ID")
def test_each_rule_stands_on_the_page_with_what_is_really_said() -> None:
    said = {rule: of_app(declare) for rule, declare in DECLARED.items()}
    said |= {rule: judge_document(found) for rule, found in DOCUMENTS.items()}
    said["callback-as-route"] = of_route()
    expected = {}
    for rule, findings in said.items():
        (finding, *_) = [one for one in findings if one.rule == rule]
        text = re.sub(
            r"[\w./]+test_rules_page\.py:\d+", "shop/callbacks.py:20", f"{finding.message} {finding.fix}"
        )
        expected[rule] = f"{finding.severity}: {text}"
    on_page = {
        rule: " ".join(f"{severity}: {text}".split()) for rule, _, severity, text in ENTRY.findall(PAGE)
    }
    assert on_page == expected


def test_no_rule_is_missing() -> None:
    sources = [*(RULES / "_rules").glob("*.py"), RULES / "_declarations.py"]
    text = "".join(source.read_text() for source in sources)
    rules = set(re.findall(r'\b(?:error|warning|note)\(\s*"([a-z0-9-]+)"', text))
    assert {rule for rule, *_ in ENTRY.findall(PAGE)} == rules
