"""References in a document: followed, bundled, and never confused with names or data."""

from typing import Any

import jsonschema
import pytest

from ringback._openapi.references import DanglingReference, bundle, follow, look_up, references_in, rewrite
from ringback._openapi.schemas import InvalidSchema, Schema, compile_schema, json_path

DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "components": {
        "schemas": {
            "A": {"properties": {"b": {"$ref": "#/components/schemas/B~1C"}, "$ref": {"type": "string"}}},
            "B/C": {"items": {"$ref": "#/components/schemas/A/properties/b"}, "type": ["array", "null"]},
            "default": {"type": "integer", "default": {"$ref": "#/no"}, "enum": [{"$ref": "#/no"}, 1]},
            "Hop": {"$ref": "#/components/schemas/default"},
            "Round": {"$ref": "#/components/schemas/Round"},
            "é x": {"type": "string"},
        }
    },
    "list": [{"type": "string"}],
}


def test_a_reference_is_followed_to_its_end() -> None:
    assert follow(DOCUMENT, {"$ref": "#/components/schemas/Hop"})["type"] == "integer"
    assert follow(DOCUMENT, {"$ref": "#/list/0"}) == {"type": "string"}
    assert look_up(DOCUMENT, "#/components/schemas/%C3%A9%20x") == {"type": "string"}
    assert follow(DOCUMENT, {"x": 1}) == {"x": 1}
    assert follow(DOCUMENT, {"$ref": 7}) == {"$ref": 7}
    assert follow(DOCUMENT, None) is None


@pytest.mark.parametrize(
    "reference",
    ["#/components/schemas/Nope", "#/list/1", "#/list/x", "other.json", "#anchor", "#", "https://x/y#/z"],
)
def test_a_reference_to_nowhere_says_so(reference: str) -> None:
    with pytest.raises(DanglingReference, match="leads"):
        follow(DOCUMENT, {"$ref": reference})


def test_a_circle_is_an_error_and_not_a_hang() -> None:
    with pytest.raises(DanglingReference, match="circle"):
        follow(DOCUMENT, {"$ref": "#/components/schemas/Round"})


def test_names_and_data_are_no_references() -> None:
    assert set(references_in(DOCUMENT["components"])) == {
        "#/components/schemas/B~1C",
        "#/components/schemas/A/properties/b",
        "#/components/schemas/default",
        "#/components/schemas/Round",
    }


def test_a_bundle_holds_what_it_needs_and_nothing_else() -> None:
    text = bundle(DOCUMENT, {"$ref": "#/components/schemas/A"})
    assert set(text["components"]["schemas"]) == {"A", "B/C"}
    validator = jsonschema.Draft202012Validator(text)
    assert validator.is_valid({"b": [[[None]]], "$ref": "x"})
    assert not validator.is_valid({"b": [[1]]})
    assert bundle(DOCUMENT, False) == {"allOf": [False]}
    assert set(DOCUMENT["components"]["schemas"]) == {"A", "B/C", "default", "Hop", "Round", "é x"}


def test_rewriting_sees_schemas_and_not_names_or_data() -> None:
    schema = {
        "title": "t",
        "properties": {"title": {"title": "x"}},
        "default": {"title": "data"},
        "items": [{"title": "y"}],
    }
    changed = rewrite(schema, lambda part: {k: v for k, v in part.items() if k != "title"})
    assert changed == {"properties": {"title": {}}, "default": {"title": "data"}, "items": [{}]}


def test_a_flaw_in_a_component_is_named() -> None:
    document = {"components": {"schemas": {"Bad": {"type": "bolean"}}}}
    with pytest.raises(InvalidSchema, match=r"schemas/Bad, \$\.type"):
        compile_schema(document, {"$ref": "#/components/schemas/Bad"})


def test_a_schema_that_promises_nothing_says_so() -> None:
    assert compile_schema({}, None).anything
    assert compile_schema({}, True).anything
    assert compile_schema({}, {}).anything
    assert not compile_schema({}, False).anything
    assert compile_schema({}, False).breach(1) is not None


def test_a_breach_is_short_whatever_the_value() -> None:
    breach = Schema({"type": "integer"}).breach("x" * 10_000)
    assert breach is not None
    assert len(breach) < 320


def test_json_paths_are_those_that_people_write() -> None:
    assert json_path([]) == "$"
    assert json_path(["items", 0, "price"]) == "$.items[0].price"
    assert json_path(["a b", "é"]) == "$['a b'].é"
