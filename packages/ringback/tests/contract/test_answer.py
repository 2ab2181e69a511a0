"""Answers, judged by status, media type and schema of the document; whatever comes, nothing raises."""

from typing import Annotated, Any

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.responses import PlainTextResponse
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, ConfigDict, computed_field

from ringback._contract import Contract
from ringback._declarations import read
from ringback._document import publish
from ringback._openapi.answer import MAX_ANSWER_BYTES


def refuse(text: str) -> str:
    if text == "no":
        raise ValueError("never no")
    return text


class Ack(BaseModel):
    model_config = ConfigDict(extra="forbid")
    ok: bool
    word: Annotated[str, AfterValidator(refuse)] = ""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def seen(self) -> bool:
        return True


class Error(BaseModel):
    reason: str


def contract(**options: Any) -> Contract:
    app, router = FastAPI(), APIRouter()
    publish(app)

    @router.post("{$request.query.hook}/x", **options)
    def event() -> None: ...

    @app.post("/orders", callbacks=router.routes)
    def create_order(hook: str) -> None: ...

    (found,) = read(app)
    return found


DECLARED = contract(
    response_model=Ack,
    responses={
        202: {"description": "Later"},
        "4XX": {"model": Error},
        "default": {"description": "Else", "content": {"application/json": {"schema": {"type": "integer"}}}},
        "409": {"model": Error},
    },
)
JSON = [("Content-Type", "application/json; charset=utf-8")]


def test_a_valid_answer_is_read_into_its_model() -> None:
    answer = DECLARED.check(200, JSON, b'{"ok": true}')
    assert (answer.declared, answer.breach, answer.value) == (True, None, Ack(ok=True))
    assert DECLARED.check(409, JSON, b'{"reason": "r"}').value == Error(reason="r")
    assert DECLARED.check(404, JSON, b'{"reason": "r"}').value == Error(reason="r")
    assert DECLARED.check(500, JSON, b"7").value == 7


@pytest.mark.parametrize(
    ("status", "body", "breach"),
    [
        (200, b'{"ok": 1}', '$.ok: 1 is not of type "boolean"'),
        (200, b"{}", '"ok" is a required property'),
        (200, b'{"ok": true, "seen": true}', "Additional properties"),
        (200, b"", "cannot be read as JSON"),
        (200, b"OK", "cannot be read as JSON"),
        (200, b'{"ok": true} x', "cannot be read as JSON"),
        (200, b"\xff\xfe", "cannot be read as JSON"),
        (200, b'{"ok": NaN}', "cannot be read as JSON"),
        (200, b"[" * 60_000, "more than 64 arrays and objects inside one another"),
        (200, b'{"ok":' * 10_000, "more than 64 arrays and objects inside one another"),
        (200, b'"' + b"x" * MAX_ANSWER_BYTES + b'"', "at most 65,536"),
        (200, b'{"ok": true, "word": "no"}', "the model refuses $.word"),
        (404, b"{}", '"reason" is a required property'),
        (300, b"1e400", None),
    ],
)
def test_a_body_that_breaks_the_document_is_a_breach_with_its_path(
    status: int, body: bytes, breach: str | None
) -> None:
    answer = DECLARED.check(status, JSON, body)
    assert answer.declared
    assert answer.value is None
    assert answer.breach is not None
    assert (breach or "") in answer.breach


def test_the_status_is_found_exactly_then_by_its_class_then_by_default() -> None:
    assert DECLARED.check(202, [], b"anything").breach is None
    assert DECLARED.check(404, JSON, b"7").breach is not None
    assert DECLARED.check(503, JSON, b"7").breach is None
    plain = contract(response_model=Ack, status_code=201)
    answer = plain.check(200, JSON, b'{"ok": true}')
    assert not answer.declared
    assert answer.breach == "status 200 is not documented (documented: 201)"


def test_the_media_type_must_be_documented() -> None:
    html = DECLARED.check(200, [("content-type", "text/html")], b'{"ok": true}')
    assert html.breach == "media type 'text/html' is not documented (documented: application/json)"
    assert DECLARED.check(200, [], b'{"ok": true}').breach is None
    assert DECLARED.check(200, [("CONTENT-TYPE", "Application/JSON")], b'{"ok": true}').breach is None


def test_a_callback_that_promises_nothing_takes_anything() -> None:
    for body in (b"", b"OK", b"{}", b"[" * 1000):
        assert contract().check(200, JSON, body).breach is None
    assert contract(status_code=204).check(204, [], b"").breach is None


@pytest.mark.parametrize(("depth", "is_read"), [(64, True), (65, False)])
def test_an_answer_is_read_to_a_depth_of_64(depth: int, is_read: bool) -> None:
    declared = contract(response_model=list[Any])
    answer = declared.check(200, JSON, b"[" * depth + b"]" * depth)
    assert (answer.breach is None) == is_read, answer.breach
    # Brackets in texts are no depth, escaped quotes do not end a text.
    assert declared.check(200, JSON, b'["[[\\"' + b"[" * 500 + b'"]').breach is None


class Branch(BaseModel):
    of: "Branch | Twig | None" = None


class Twig(BaseModel):
    of: "Branch | Twig | None" = None


class Chain(BaseModel):
    of: "Chain | None" = None


@pytest.mark.parametrize(("model", "depth"), [(Branch, 9), (Chain, 64), (list[Chain], 64), (int, 64)])
def test_what_may_be_several_things_at_every_level_is_read_less_deep(model: Any, depth: int) -> None:
    # Without it, this many levels would be tried for longer than any test may run.
    declared = contract(response_model=model)
    levels = depth if model is not int else 70
    nested = b'{"of":' * levels + b"7" + b"}" * levels
    assert declared.check(200, JSON, nested).breach is not None
    assert "more than" in str(declared.check(200, JSON, b'{"of":' + nested + b"}").breach) or model is int
    if model in (Branch, Chain):
        good = b'{"of":' * (depth - 1) + b"{}" + b"}" * (depth - 1)
        assert declared.check(200, JSON, good).breach is None


def test_text_is_text() -> None:
    answer = contract(response_class=PlainTextResponse).check(200, [("content-type", "text/plain")], b"OK")
    assert (answer.breach, answer.value) == (None, "OK")


def test_answers_are_published_and_read_as_they_are_received() -> None:
    # Without the change of modes the document would ask for the computed field, and the model refuse it.
    assert DECLARED.check(200, JSON, b'{"ok": true, "word": "w"}').value == Ack(ok=True, word="w")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["ok", "word", "x"]), inner),
)


@given(
    st.integers(100, 599),
    st.lists(st.tuples(st.sampled_from(["content-type", "x"]), st.text(max_size=20)), max_size=2),
    st.binary() | json_values.map(lambda value: repr(value).encode("utf-8", "replace")),
)
def test_no_answer_raises(status: int, headers: list[tuple[str, str]], body: bytes) -> None:
    answer = DECLARED.check(status, headers, body)
    assert answer.declared
    assert answer.breach is None or answer.value is None
