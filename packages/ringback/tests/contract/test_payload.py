"""What `send` freezes: bytes and parameters by the declared types, checked against the document."""

import datetime as dt
import json
from collections.abc import Callable
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from fastapi import APIRouter, Body, Cookie, FastAPI, Form, Header, Query
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    RootModel,
    computed_field,
    field_serializer,
)

from ringback._contract import Contract
from ringback._declarations import read
from ringback._document import publish
from ringback._errors import ContractBreach
from ringback._types import Exchange
from ringback._urls import Url


class Kind(StrEnum):
    PAID = "paid"
    VOID = "void"


class Event(BaseModel):
    id: str
    paid: bool = True


class Rich(BaseModel):
    model_config = ConfigDict(extra="forbid")
    at: dt.datetime
    day: dt.date = dt.date(2026, 1, 2)
    sum: Decimal = Decimal("9999.00")
    key: UUID = UUID(int=1)
    kind: Kind = Kind.PAID
    tags: set[str] = set()
    ref: str = Field("r", validation_alias="refIn", serialization_alias="refOut")
    stamp: dt.datetime = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def double(self) -> Decimal:
        return self.sum * 2

    @field_serializer("stamp")
    def as_seconds(self, stamp: dt.datetime) -> int:
        return int(stamp.timestamp())


class Lying(BaseModel):
    at: dt.datetime

    @field_serializer("at")
    def as_seconds(self, at: dt.datetime):  # type: ignore[no-untyped-def]
        return int(at.timestamp())


class Page(BaseModel):
    number: int = 1
    order_by: list[str] = []


class Card(BaseModel):
    holder: str
    digits: list[int] = []
    note: str | None = None


def contract_of(declare: Callable[[APIRouter], Any], path: str = "{$request.query.hook}/x") -> Contract:
    app, router = FastAPI(), APIRouter()
    publish(app)
    router.post(path)(declare(router))

    @app.post("/orders", callbacks=router.routes)
    def create_order(hook: str) -> None: ...

    (contract,) = read(app)
    return contract


def of(function: Callable[..., Any], path: str = "{$request.query.hook}/x") -> Contract:
    return contract_of(lambda _: function, path)


def called(contract: Contract, *args: Any, url: str = "https://a.org/e", **kwargs: Any) -> Url:
    bound = contract.url(Exchange(query={"hook": url}))
    assert bound is not None
    return contract.address(bound, contract.dump(*args, **kwargs))


def one(body: Event) -> None: ...
def optional(body: Event | None = None) -> None: ...
def several(a: Annotated[Event, Body()], n: Annotated[int, Body(alias="count")] = 2) -> None: ...
def embedded(body: Annotated[Event, Body(embed=True)]) -> None: ...
def many(body: list[Event]) -> None: ...
def union(body: Event | list[int] | Annotated[int, Field(gt=5)]) -> None: ...
def literal(body: Annotated[Literal["a", "b"], Body()]) -> None: ...
def nothing() -> None: ...
def text(body: Annotated[str, Body(media_type="text/plain")]) -> None: ...
def cloud(body: Annotated[Event, Body(media_type="application/cloudevents+json")]) -> None: ...
def rooted(body: RootModel[dict[str, int]]) -> None: ...
def written(body: Annotated[int, PlainSerializer(lambda n: f"<{n}>", return_type=str), Body()]) -> None: ...
def form(
    a: Annotated[str, Form()],
    n: Annotated[list[int], Form()] = [],  # noqa: B006
    b: Annotated[bool, Form()] = True,
) -> None: ...
def form_model(card: Annotated[Card, Form()]) -> None: ...
def form_list(needed: Annotated[list[str | None], Form()]) -> None: ...
def query_list(needed: Annotated[list[str], Query()]) -> None: ...
def header_list(x: Annotated[list[str], Header()]) -> None: ...


JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("function", "arguments", "media_type", "body"),
    [
        (one, (Event(id="1"),), JSON, '{"id":"1","paid":true}'),
        (one, (Event(id="é☃\u2028"),), JSON, '{"id":"é☃\u2028","paid":true}'),
        (optional, (Event(id="1"),), JSON, '{"id":"1","paid":true}'),
        (optional, (None,), None, ""),
        (optional, (), None, ""),
        (several, (Event(id="1"), 3), JSON, '{"a":{"id":"1","paid":true},"count":3}'),
        (several, (Event(id="1"),), JSON, '{"a":{"id":"1","paid":true},"count":2}'),
        (embedded, (Event(id="1"),), JSON, '{"body":{"id":"1","paid":true}}'),
        (many, ([Event(id="1"), Event(id="2")],), JSON, '[{"id":"1","paid":true},{"id":"2","paid":true}]'),
        (many, ([],), JSON, "[]"),
        (union, ([1, 2],), JSON, "[1,2]"),
        (union, (6,), JSON, "6"),
        (literal, ("a",), JSON, '"a"'),
        (nothing, (), None, ""),
        (text, ("héllo",), "text/plain", "héllo"),
        (cloud, (Event(id="1"),), "application/cloudevents+json", '{"id":"1","paid":true}'),
        (rooted, (RootModel[dict[str, int]]({"a": 1}),), JSON, '{"a":1}'),
        (written, (7,), JSON, '"<7>"'),
        (form, ("a b&é", [1, 2], False), FORM, "a=a+b%26%C3%A9&n=1&n=2&b=false"),
        (form, ("x",), FORM, "a=x&b=true"),
        (form_model, (Card(holder="R R", digits=[4, 2]),), FORM, "holder=R+R&digits=4&digits=2"),
    ],
)
def test_each_kind_of_body_is_written_as_declared(
    function: Callable[..., Any], arguments: tuple[Any, ...], media_type: str | None, body: str
) -> None:
    payload = of(function).dump(*arguments)
    assert payload.body == body.encode()
    assert payload.headers == (() if media_type is None else (("content-type", media_type),))


def test_aliases_computed_fields_and_serializers_are_written_as_published() -> None:
    def event(body: Rich) -> None: ...

    at = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
    payload = of(event).dump(Rich.model_validate({"at": at, "tags": ["x"]}))
    assert json.loads(payload.body) == {
        **{"at": "2026-01-01T12:00:00Z", "day": "2026-01-02", "sum": "9999.00", "kind": "paid"},
        **{"key": str(UUID(int=1)), "tags": ["x"], "refOut": "r", "stamp": 1767225600, "double": "19998.00"},
    }


@pytest.mark.parametrize(
    ("function", "arguments", "reason"),
    [
        (one, (Event.model_construct(id=1),), '$.id: 1 is not of type "string"'),
        (one, ({"paid": True},), '"id" is a required property'),
        (one, (object(),), "cannot be written as JSON"),
        (one, (None,), "null is not of type"),
        (one, (Event(id="\ud800"),), "cannot be written as JSON"),
        (one, (), "missing a required argument: 'body'"),
        (one, (Event(id="1"), 2), "too many positional arguments"),
        (many, ([1],), "$[0]: 1 is not"),
        (literal, ("c",), '"c" is not'),
        (union, (5,), "is not valid under any"),
        (several, (Event(id="1"), float("nan")), "$.count: null is not"),
    ],
)
def test_a_payload_that_breaks_the_document_is_refused_with_its_place(
    function: Callable[..., Any], arguments: tuple[Any, ...], reason: str
) -> None:
    with pytest.raises(ContractBreach) as caught:
        of(function).dump(*arguments)
    assert reason in str(caught.value)
    assert str(caught.value).startswith(f"{function.__name__}: ")


@pytest.mark.parametrize("at", [dt.datetime(2026, 1, 1), dt.datetime(2026, 1, 1, tzinfo=dt.UTC)])
def test_what_the_model_lets_pass_and_the_document_does_not_is_refused(at: dt.datetime) -> None:
    def event(body: Lying) -> None: ...

    def moment(body: Annotated[dt.datetime, Body()]) -> None: ...

    with pytest.raises(ContractBreach, match=r"\$\.at: \d+ is not of type"):
        of(event).dump(Lying(at=at))
    if at.tzinfo is None:
        with pytest.raises(ContractBreach, match='not a "date-time"'):
            of(moment).dump(at)
    else:
        assert of(moment).dump(at).body == b'"2026-01-01T00:00:00Z"'


def with_parameters(
    kind: str,
    body: Event,
    x_trace_id: Annotated[str | None, Header()] = None,
    x_list: Annotated[list[int], Header()] = [],  # noqa: B006
    exact: Annotated[str, Header(alias="X_Exact")] = "e",
    tag: Annotated[list[str], Query()] = [],  # noqa: B006
    q: Annotated[int | None, Query(ge=5)] = None,
    sid: Annotated[str | None, Cookie()] = None,
) -> None: ...


PATH = "{$request.query.hook}/{kind}"


def test_parameters_travel_where_the_document_says() -> None:
    contract = of(with_parameters, PATH)
    payload = contract.dump(
        "paid/now", Event(id="1"), x_trace_id="t 1", x_list=[1, 2], tag=["a&b", "c"], q=7, sid="é;"
    )
    assert payload.headers == (
        *(("content-type", JSON), ("x-trace-id", "t 1"), ("x-list", "1,2"), ("x_exact", "e")),
        ("cookie", "sid=%C3%A9%3B"),
    )
    assert payload.query == "tag=a%26b&tag=c&q=7"
    bound = contract.url(Exchange(query={"hook": "https://a.org/e?t=1"}))
    assert bound is not None
    assert str(contract.address(bound, payload)) == "https://a.org/e/paid%2Fnow?t=1&tag=a%26b&tag=c&q=7"


def test_parameters_that_are_not_given_are_not_sent() -> None:
    contract = of(with_parameters, PATH)
    payload = contract.dump("paid", body=Event(id="1"))
    assert [name for name, _ in payload.headers] == ["content-type", "x_exact"]
    assert payload.query is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"q": 4}, "query parameter 'q' does not match the document at $: "),
        ({"x_trace_id": "a\r\nhost: evil"}, "no header can carry"),
        ({"x_trace_id": "é"}, "no header can carry"),
        ({"x_trace_id": " t"}, "no header can carry"),
        ({"x_trace_id": 7}, "header parameter 'x-trace-id' does not match"),
        ({"kind": ".."}, "dot segment"),
        ({"kind": ""}, "is empty"),
        ({"nothing": 1}, "unexpected keyword argument 'nothing'"),
        ({"tag": ["x" * 2100]}, "at most 2048"),
    ],
)
def test_a_parameter_that_breaks_the_document_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ContractBreach) as caught:
        called(of(with_parameters, PATH), **{"kind": "k", "body": Event(id="1"), **changes})
    assert reason in str(caught.value)


def test_the_default_of_a_path_parameter_is_sent() -> None:
    def event(kind: str = "paid") -> None: ...

    assert str(called(of(event, PATH))) == "https://a.org/e/paid"
    assert str(called(of(event, PATH), "void")) == "https://a.org/e/void"


def test_models_of_parameters_are_spread() -> None:
    def event(page: Annotated[Page, Query()], trace: Annotated[Card, Header()]) -> None: ...

    payload = of(event).dump(Page(order_by=["a", "b"]), Card(holder="h", digits=[1]))
    assert payload.query == "number=1&order_by=a&order_by=b"
    assert payload.headers == (("holder", "h"), ("digits", "1"))


def test_bytes_of_a_payload_are_frozen() -> None:
    contract = of(one)
    event = Event(id="1")
    payload = contract.dump(event)
    event.id = "2"
    assert payload.body == b'{"id":"1","paid":true}'
    assert payload.value == {"id": "1", "paid": True}


@pytest.mark.parametrize(
    ("function", "arguments", "reason"),
    [
        (form, {"a": "x", "n": [], "b": True}, None),
        (form_model, {"card": Card(holder="h")}, None),
        (form_list, {"needed": []}, '"needed" is a required property'),
        (form_list, {"needed": ["x", None]}, r"null nor an empty list.*\$\.needed"),
        (query_list, {"needed": []}, "required, and an empty list or object leaves no trace"),
        (header_list, {"x": ["a,b", "c"]}, "holds ',' in an item"),
    ],
)
def test_what_would_not_arrive_as_it_is_is_refused(
    function: Callable[..., Any], arguments: dict[str, Any], reason: str | None
) -> None:
    if reason is None:
        of(function).dump(**arguments)
    else:
        with pytest.raises(ContractBreach, match=reason):
            of(function).dump(**arguments)
