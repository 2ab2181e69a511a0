"""An independent judge: 100 generated apps, each payload and each answer judged again by ``jsonschema``.

The product validates with jsonschema-rs. Here the plain ``jsonschema`` package reads the app's own published
document and must come to the same verdict on the same bytes.
"""

import json
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote

import jsonschema
from fastapi import APIRouter, Body, FastAPI, Header, Query
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012
from testkit.generated import Kind, kinds, models, scalars, text

from ringback._contract import Contract
from ringback._declarations import read
from ringback._document import publish
from ringback._errors import ContractBreach
from ringback._openapi.places import Place, places

APPS = 100


class Order(BaseModel):
    id: str


@dataclass
class App:
    document: dict[str, Any]
    place: Place
    contract: Contract
    body: Kind
    answer: Kind
    arguments: dict[str, Any]


@st.composite
def apps(draw: st.DrawFn) -> App:
    body, answer = draw(models(kinds) | kinds), draw(models(kinds) | kinds)
    router, app = APIRouter(), FastAPI()
    publish(app)
    status = draw(st.sampled_from([200, 201, 202]))
    options: dict[str, Any] = {"status_code": status, "response_model": answer.type}
    arguments: dict[str, Any] = {}
    if draw(st.booleans()):
        router.post("{$request.query.hook}/{$request.body#/id}", **options)(_with_query(body.type))
    else:
        arguments["kind"] = draw(st.sampled_from(["paid", "a/b", "é?#%"]))
        router.put("{$hook}/{kind}", **options)(_with_header(body.type))

    @app.post("/orders", callbacks=router.routes)
    def create_order(order: Order, hook: str) -> None: ...

    if draw(st.booleans()):
        # The same models on the app's own operations: the document must tell both directions apart.
        app.post("/body", response_model=answer.type)(_echo(body.type))
    document = app.openapi()
    (place,) = places(document)
    (contract,) = read(app)
    return App(document, place, contract, body, answer, arguments)


def _echo(type_: Any) -> Any:
    def echo(body: Annotated[type_, Body()]) -> None: ...

    return echo


def _with_query(type_: Any) -> Any:
    def callback(body: Annotated[type_, Body()], n: Annotated[int, Query()] = 1) -> None: ...

    return callback


def _with_header(type_: Any) -> Any:
    def callback(body: Annotated[type_, Body()], kind: str, x_n: Annotated[int, Header()] = 2) -> None: ...

    return callback


def judge(app: App, *pointer: str) -> jsonschema.Draft202012Validator:
    """The plain validator for a schema at a place in the published document."""
    registry: Any = Registry().with_resource("urn:d", Resource.from_contents(app.document, DRAFT202012))
    tokens = "/".join(step.replace("~", "~0").replace("/", "~1") for step in pointer)
    return jsonschema.Draft202012Validator(
        {"$ref": "urn:d" + quote(f"{app.place.pointer}/{tokens}", safe="#/~")},
        registry=registry,
        format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER,
    )


BODY = ("requestBody", "content", "application/json", "schema")


@given(apps(), st.data())
@settings(
    max_examples=APPS, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
def test_plain_jsonschema_comes_to_the_same_verdict(app: App, data: st.DataObject) -> None:
    judge_payload(app, data)
    judge_answer(app, data)


def judge_payload(app: App, data: st.DataObject) -> None:
    # One in a few is of another type: what the type checker would refuse, the document must refuse.
    value = data.draw(st.one_of(app.body.values, app.body.values, scalars.flatmap(lambda kind: kind.values)))
    plain = judge(app, *BODY)
    try:
        payload = app.contract.dump(value, **app.arguments)
    except ContractBreach as breach:
        refusal = str(breach)
    else:
        event("payload sent")
        assert list(plain.iter_errors(json.loads(payload.body))) == []
        return
    event(f"payload refused: {refusal.partition(' at ')[0]}")
    if "cannot be written as JSON" not in refusal:
        written = app.contract.writer._arguments.read((value,), app.arguments)[0]
        assert written is not None
        assert not plain.is_valid(json.loads(written)), refusal


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | text,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(text, inner, max_size=2),
    max_leaves=4,
)


def judge_answer(app: App, data: st.DataObject) -> None:
    (status,) = app.place.operation["responses"]
    plain = judge(app, "responses", status, "content", "application/json", "schema")
    sent = data.draw(st.one_of(json_values, app.answer.values))
    body = (
        sent
        if not isinstance(sent, BaseModel)
        else sent.model_dump(mode="json", by_alias=True, warnings=False)
    )
    raw = json.dumps(body, default=str).encode()
    answer = app.contract.check(int(status), [("content-type", "application/json")], raw)
    expected = plain.is_valid(json.loads(raw))
    event(f"answer valid: {expected}")
    # A model may still refuse what its own schema takes; the label says which of the two it was.
    assert (answer.breach is None or answer.breach.startswith("as documented")) == expected, answer
