"""Examples made from schemas: every one is accepted by its schema, and there is one where there can be."""

import random
import re
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from ringback._openapi.schemas import Schema
from ringback.kit._examples import declared_examples, example, merged, variations
from ringback.kit._patterns import text_for_pattern

TREE = {
    "$ref": "#/components/schemas/Tree",
    "components": {
        "schemas": {
            "Tree": {
                "type": "object",
                "required": ["name", "left"],
                "properties": {
                    "name": {"type": "string"},
                    "left": {"anyOf": [{"$ref": "#/components/schemas/Tree"}, {"type": "null"}]},
                    "more": {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}},
                },
            }
        }
    },
}
SCHEMAS: dict[str, dict[str, Any]] = {
    "anything": {},
    "recursive": TREE,
    "bounds": {"type": "integer", "minimum": 7, "exclusiveMaximum": 9},
    "open bounds": {"type": "number", "exclusiveMinimum": 0, "maximum": 0.5},
    "cents": {"type": "number", "multipleOf": 0.01, "minimum": 1},
    "money as text": {"type": "string", "pattern": r"^(?!^[-+.]*$)[+-]?0*\d*\.?\d*$"},
    "lengths": {"type": "string", "minLength": 30, "maxLength": 31},
    "date-time": {"type": "string", "format": "date-time"},
    "uuid": {"type": "string", "format": "uuid"},
    "enum": {"enum": ["open", 3, None]},
    "const": {"const": {"a": 1}},
    "nullable": {"type": ["null", "integer"]},
    "all": {"allOf": [{"type": "object", "required": ["a"]}, {"properties": {"a": {"type": "boolean"}}}]},
    "one": {"oneOf": [{"type": "string"}, {"type": "object", "required": ["b"]}]},
    "closed": {"type": "object", "additionalProperties": False, "properties": {"a": {"type": "string"}}},
    "map": {"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 2},
    "tuple": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "minItems": 2},
    "set": {"type": "array", "items": {"type": "boolean"}, "uniqueItems": True, "minItems": 1},
    "pattern": {"type": "string", "pattern": "^INV-[0-9]{4,6}(/[a-z]+)?$"},
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_example_is_accepted_by_its_schema(name: str) -> None:
    schema = Schema(SCHEMAS[name])
    made = variations(schema)
    assert [value for value in made if schema.breach(value) is not None] == []
    assert schema.breach(example(schema)) is None


def test_examples_differ_and_are_the_same_each_time() -> None:
    schema = Schema(TREE)
    made = variations(schema)
    assert len(made) > 5
    assert made == variations(schema)
    assert made[0] == {"name": "name", "left": {"name": "name", "left": None}}


def test_an_example_of_the_document_comes_first_unless_it_breaks_its_schema() -> None:
    schema = Schema({"type": "string", "maxLength": 5, "examples": ["far too long", "short"]})
    assert declared_examples(schema) == ["short"]
    assert example(schema) == "short"


@pytest.mark.parametrize("schema", [{"type": "string", "minLength": 2, "maxLength": 1}, False, {"not": {}}])
def test_without_any_value_it_says_so(schema: Any) -> None:
    with pytest.raises(ValueError, match="no value was found"):
        example(Schema({"allOf": [schema]}))


@pytest.mark.parametrize(
    "pattern",
    ["^[^a-z]$", r"\d{3}-\w+\s?", "^(a|b)c*?$", "^.{5}$", r"[\s]x", "^[^\\W_]+$", "(?P<n>x)y", "^a++$", ""],
)
def test_a_pattern_gives_a_text_that_it_matches(pattern: str) -> None:
    text = text_for_pattern(pattern, random.Random(1))
    assert text is not None
    assert re.search(pattern, text)


@pytest.mark.parametrize("pattern", ["(", "^(?=x)y$", r"(.)\1\1z(?!)"])
def test_a_pattern_that_cannot_be_followed_gives_none(pattern: str) -> None:
    assert text_for_pattern(pattern, random.Random(1)) is None


scalars = some.sampled_from(
    [{"type": "string"}, {"type": "integer", "minimum": 3}, {"type": "boolean"}, {"enum": ["a", "b"]}]
)
schemas = some.recursive(
    scalars,
    lambda inner: some.one_of(
        some.builds(
            lambda items, n: {"type": "array", "items": items, "minItems": n}, inner, some.integers(0, 3)
        ),
        some.builds(
            lambda fields, required: {
                "type": "object",
                "properties": fields,
                "required": sorted(name for name in fields if name in required),
                "additionalProperties": False,
            },
            some.dictionaries(some.sampled_from("abcde"), inner, max_size=4),
            some.sets(some.sampled_from("abcde")),
        ),
        some.builds(lambda one, other: {"anyOf": [one, other]}, inner, inner),
    ),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(schemas)
def test_any_satisfiable_schema_has_an_example(text: dict[str, Any]) -> None:
    schema = Schema(text)
    assert schema.breach(example(schema)) is None


def test_a_schema_that_only_leads_to_itself_is_given_up_soon() -> None:
    both = [
        {"$ref": "#/components/schemas/A"},
        {"type": "array", "items": {"$ref": "#/components/schemas/A"}, "minItems": 2},
    ]
    node = {
        "type": "object",
        "required": ["x", "y"],
        "properties": {"x": {"oneOf": both}, "y": {"anyOf": both}},
    }
    with pytest.raises(ValueError, match="no value was found"):
        example(Schema({"$ref": "#/components/schemas/A", "components": {"schemas": {"A": node}}}))


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "minLength": 10**12},
        {"type": "string", "pattern": "^(a{300}){300}$"},
        {"type": "string", "pattern": "^(a+)+(?!)$", "minLength": 60},
        {"type": "array", "minItems": 10**12},
        {"type": "object", "minProperties": 10**12},
        {"type": "integer", "minimum": 10, "maximum": 1},
    ],
)
def test_no_schema_takes_memory_or_time_without_end(schema: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no value was found"):
        example(Schema(schema))


@pytest.mark.timeout(10)
def test_schemas_that_are_taken_together_again_and_again_are_seen_once_each() -> None:
    names = [f"S{number}" for number in range(40)]
    schemas: dict[str, Any] = {
        name: {"allOf": [{"$ref": f"#/components/schemas/{after}"}] * 2} for name, after in pairwise(names)
    }
    schemas[names[-1]] = {"type": "string", "maxLength": 10**12}
    root = {"$ref": "#/components/schemas/S0", "components": {"schemas": schemas}}
    assert merged(root, root) == {"type": "string", "maxLength": 10**12}
    schemas[names[-1]] = {"allOf": [{"$ref": "#/components/schemas/S0"}], "type": "boolean"}
    assert merged(root, root) == {"type": "boolean"}
