"""What a schema promises about a value, before there is one."""

from typing import Any

import pytest

from ringback._rules.pointers import Promise, promise_at

DOCUMENT = {
    "components": {
        "schemas": {
            "Node": {
                "type": "object",
                "required": ["id"],
                "properties": {"id": {"type": "string"}, "next": {"$ref": "#/components/schemas/Node"}},
            },
            "Closed": {
                "type": "object",
                "additionalProperties": False,
                "properties": {"a": {"type": "integer"}},
            },
            "Loop": {"anyOf": [{"$ref": "#/components/schemas/Loop"}]},
        }
    }
}
NODE, CLOSED = {"$ref": "#/components/schemas/Node"}, {"$ref": "#/components/schemas/Closed"}
STRING = frozenset({"string"})
ID = {"type": "object", "properties": {"id": {"type": "string"}}}


@pytest.mark.parametrize(
    ("schema", "pointer", "expected"),
    [
        (NODE, ("id",), Promise(True, False, True, STRING)),
        (NODE, ("next", "next", "id"), Promise(True, False, False, STRING)),
        (NODE, ("other",), Promise(False)),
        (CLOSED, ("a",), Promise(True, False, False, frozenset({"integer"}))),
        (CLOSED, ("b",), Promise(False, True)),
        ({"type": "string"}, ("b",), Promise(False, True)),
        ({"type": "array", "items": NODE}, ("0", "id"), Promise(True, False, False, STRING)),
        ({"type": "array", "items": NODE}, ("x",), Promise(False)),
        (
            {"prefixItems": [{"type": "null"}, {"type": "string"}], "items": {}},
            ("1",),
            Promise(True, False, False, STRING),
        ),
        ({"prefixItems": [{"type": "null"}]}, ("999999999999",), Promise(True)),
        ({"anyOf": [NODE, {"type": "null"}]}, ("id",), Promise(True, False, False, STRING)),
        ({"anyOf": [NODE, NODE]}, ("id",), Promise(True, False, True, STRING)),
        ({"anyOf": [NODE, CLOSED]}, ("id",), Promise(True, False, False, STRING)),
        ({**ID, "anyOf": [{"required": ["id"]}, {"required": ["x"]}]}, ("id",), Promise(True, types=STRING)),
        ({**ID, "anyOf": [{"required": ["id"]}, NODE]}, ("id",), Promise(True, False, True, STRING)),
        ({**ID, "oneOf": [CLOSED, CLOSED]}, ("other",), Promise(False, True)),
        ({"oneOf": [CLOSED, {"type": "string"}]}, ("id",), Promise(False, True)),
        (
            {"allOf": [NODE, {"properties": {"x": {"type": ["string", "null"]}}}]},
            ("x",),
            Promise(True, False, False, frozenset({"string", "null"})),
        ),
        ({"allOf": [NODE, {"required": ["id"]}]}, ("id",), Promise(True, False, True, STRING)),
        ({"additionalProperties": {"type": "string"}}, ("any",), Promise(True, False, False, STRING)),
        ({"additionalProperties": False, "patternProperties": {"^x": {}}}, ("xa",), Promise(False)),
        (
            {"properties": {"a": {"type": "string", "nullable": True}}, "required": ["a"]},
            ("a",),
            Promise(True, False, False, frozenset({"string", "null"})),
        ),
        (
            {"properties": {"a": {"anyOf": [{"type": "string"}, {"type": "integer"}]}}},
            ("a",),
            Promise(True, False, False, frozenset({"string", "integer"})),
        ),
        ({}, ("a",), Promise(False)),
        (True, ("a",), Promise(False)),
        ({"$ref": "#/components/schemas/Loop"}, ("a",), Promise(False)),
        ({"$ref": "#/nowhere"}, ("a",), Promise(False)),
        (NODE, (), Promise(True, False, True, frozenset({"object"}))),
    ],
)
def test_a_promise_is_no_more_than_the_schema_says(
    schema: Any, pointer: tuple[str, ...], expected: Promise
) -> None:
    assert promise_at(DOCUMENT, schema, pointer) == expected
