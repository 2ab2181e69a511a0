"""What a provider writes into paths, queries, headers and forms is read back as what was meant."""

from typing import Any
from urllib.parse import parse_qsl

import pytest

from ringback._openapi.parameters import CallbackParameter, callback_parameters, query_text
from ringback.kit.listen._values import MISSING, kinds_of, read_fields, read_parameter


def parameter(place: str, schema: Any, **more: Any) -> CallbackParameter:
    node = {"name": "p", "in": place, "schema": schema, **more}
    (made,) = callback_parameters({"openapi": "3.1.0"}, {}, {"parameters": [node]}).values()
    return made


TEXT, WHOLE, FLAG = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}
LIST, OBJECT = {"type": "array", "items": WHOLE}, {"type": "object", "properties": {"a": WHOLE, "b": TEXT}}


@pytest.mark.parametrize("place", ["query", "header", "path", "cookie"])
@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (TEXT, "12"),
        (TEXT, "true"),
        (WHOLE, 12),
        (FLAG, False),
        ({"type": "number"}, 1.5),
        ({"anyOf": [WHOLE, {"type": "null"}]}, 3),
        ({"enum": ["on", 1]}, 1),
        ({"const": 2}, 2),
        (LIST, [1]),
        (LIST, [1, 22, 3]),
        (OBJECT, {"a": 1, "b": "2"}),
    ],
)
@pytest.mark.parametrize("explode", [False, True])
def test_what_is_written_is_read_again(place: str, schema: Any, value: Any, explode: bool) -> None:
    declared = parameter(place, schema, explode=explode)
    pairs = declared.write(value)
    if place == "query":
        pairs = parse_qsl(query_text(pairs) or "")
    read = read_parameter(declared, pairs)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("style", "value"),
    [("deepObject", {"a": 1, "b": "x"}), ("spaceDelimited", [1, 2]), ("pipeDelimited", [1, 2])],
)
def test_the_other_styles_of_queries_too(style: str, value: Any) -> None:
    declared = parameter("query", LIST if isinstance(value, list) else OBJECT, style=style, explode=False)
    assert read_parameter(declared, parse_qsl(query_text(declared.write(value)) or "")) == value


def test_what_is_not_there_is_missing_and_what_is_of_another_kind_stays_text() -> None:
    assert read_parameter(parameter("query", WHOLE), [("q", "1")]) is MISSING
    assert read_parameter(parameter("query", OBJECT), []) is MISSING
    assert read_parameter(parameter("query", WHOLE), [("p", "twelve")]) == "twelve"
    assert read_parameter(parameter("query", WHOLE), [("p", "1"), ("p", "2")]) == ["1", "2"]
    assert read_parameter(parameter("query", FLAG), [("p", '{"a": 1}')]) == '{"a": 1}'


def test_a_text_that_could_be_a_number_is_read_as_what_its_schema_takes() -> None:
    either = {"type": ["string", "integer"], "maxLength": 1}
    assert read_parameter(parameter("query", either), [("p", "5")]) == "5"
    assert read_parameter(parameter("query", either), [("p", "55")]) == 55


def test_a_form_has_numbers_and_lists() -> None:
    schema = {"type": "object", "properties": {"n": WHOLE, "l": LIST, "t": TEXT}}
    assert read_fields(schema, [("n", "1"), ("l", "2"), ("t", "3"), ("x", "4")]) == {
        "n": 1,
        "l": [2],
        "t": "3",
        "x": "4",
    }


def test_kinds_are_found_through_references_and_choices() -> None:
    root = {
        "anyOf": [{"$ref": "#/components/schemas/A"}, {"enum": [None, 1.5]}],
        "components": {"schemas": {"A": LIST}},
    }
    assert kinds_of(root) == {"array", "null", "number"}
    assert kinds_of({"$ref": "#/nowhere"}) == frozenset()
