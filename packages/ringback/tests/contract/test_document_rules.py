"""The rules for documents of any origin: what they find, and that nothing malformed breaks them."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback._contract import read_document
from ringback._errors import RingbackError
from ringback._rules.documents import judge_document

KEY = "{$request.query.hook}/orders/{$request.body#/id}"

Document = dict[str, Any]
Change = Callable[[Document], Any]


def good(version: str = "3.1.0") -> Document:
    return {
        "openapi": version,
        "info": {"title": "t", "version": "1"},
        "paths": {
            "/orders": {
                "parameters": [{"$ref": "#/components/parameters/hook"}],
                "post": {
                    "operationId": "createOrder",
                    "requestBody": {"$ref": "#/components/requestBodies/order"},
                    "responses": {"201": {"description": "Created"}},
                    "callbacks": {"event": {"$ref": "#/components/callbacks/event"}},
                },
            }
        },
        "components": {
            "parameters": {
                "hook": {"name": "hook", "in": "query", "required": True, "schema": {"type": "string"}}
            },
            "requestBodies": {
                "order": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}}}
            },
            "responses": {
                "ok": {
                    "description": "OK",
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Ack"}}},
                }
            },
            "callbacks": {
                "event": {
                    KEY: {
                        "post": {
                            "operationId": "event",
                            "requestBody": {
                                "required": True,
                                "content": {
                                    "application/json": {"schema": {"$ref": "#/components/schemas/Event"}}
                                },
                            },
                            "responses": {"200": {"$ref": "#/components/responses/ok"}},
                        }
                    }
                }
            },
            "schemas": {
                "Order": {
                    "type": "object",
                    "required": ["id"],
                    "properties": {"id": {"type": "string"}, "lines": {"type": "array"}},
                },
                "Event": {
                    "type": "object",
                    "required": ["paid"],
                    "properties": {"paid": {"type": "boolean"}},
                },
                "Ack": {"type": "object", "properties": {"ok": {"type": "boolean"}}},
            },
        },
    }


def event(document: Document) -> dict[str, Any]:
    found: dict[str, Any] = document["components"]["callbacks"]["event"][KEY]["post"]
    return found


def with_key(key: str) -> Change:
    def change(document: Document) -> None:
        callback = document["components"]["callbacks"]["event"]
        callback[key] = callback.pop(KEY)

    return change


def merge(where: Callable[[Document], dict[str, Any]], **values: Any) -> Change:
    return lambda document: where(document).update(values)


CASES: dict[str, tuple[Change, list[tuple[str, str, str]]]] = {
    "good": (lambda d: None, []),
    "bad expression": (
        with_key("{$hook}/x"),
        [("error", "expression-invalid", "Write {$request.query.hook}/x")],
    ),
    "nonsense": (with_key("nonsense"), [("error", "expression-invalid", "which host")]),
    "empty key": (with_key(""), [("error", "expression-invalid", "empty")]),
    "path first": (
        with_key("/a{$request.query.hook}"),
        [("error", "expression-before-base", "Write {$request.query.hook}/a")],
    ),
    "undeclared": (
        with_key("{$request.query.hok}/x"),
        [("error", "source-undeclared", "Did you mean 'hook'?")],
    ),
    "pointer": (
        with_key("{$request.query.hook}/{$request.body#/nope}"),
        [("warning", "source-undeclared", "does not name")],
    ),
    "list": (
        with_key("{$request.query.hook}/{$request.body#/lines}"),
        [("error", "source-not-a-text", "array")],
    ),
    "optional": (
        lambda d: d["components"]["parameters"]["hook"].update(required=False),
        [("note", "base-optional", "nobody to call")],
    ),
    "no operation": (
        lambda d: d["components"]["callbacks"]["event"].update({KEY: {}}),
        [("error", "empty-callback", "no operation")],
    ),
    "dangling": (
        merge(
            event,
            requestBody={"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Nope"}}}},
        ),
        [("error", "reference-dangling", "Nope")],
    ),
    "dangling callback": (
        lambda d: d["paths"]["/orders"]["post"].update(
            callbacks={"event": {"$ref": "#/components/callbacks/no"}}
        ),
        [("error", "reference-dangling", "callbacks/no")],
    ),
    "foreign": (
        merge(event, requestBody={"$ref": "other.yaml#/x"}),
        [("error", "reference-dangling", "out of the document")],
    ),
    "security": (
        merge(event, security=[{"token": []}]),
        [("error", "security-scheme-missing", "'token'"), ("warning", "credentials-not-sent", "token")],
    ),
    "no success": (
        merge(event, responses={"400": {"description": "no"}}),
        [("warning", "no-success-response", "2xx")],
    ),
    "422": (
        lambda d: (
            event(d)["responses"].update(
                {
                    "422": {
                        "description": "",
                        "content": {
                            "application/json": {
                                "schema": {"$ref": "#/components/schemas/HTTPValidationError"}
                            }
                        },
                    }
                }
            ),
            d["components"]["schemas"].update(HTTPValidationError={}),
        ),
        [("warning", "automatic-422", "FastAPI")],
    ),
    "nested": (merge(event, callbacks={"again": {}}), [("warning", "callback-in-callback", "tools")]),
    "same id": (merge(event, operationId="createOrder"), [("error", "operation-id-duplicate", "2 times")]),
    "schema": (
        merge(lambda d: d["components"]["schemas"]["Event"], type="bolean"),
        [("error", "schema-invalid", "bolean")],
    ),
    "malformed": (
        merge(event, requestBody={"content": {"application/json": 7}}),
        [("error", "malformed", "AttributeError")],
    ),
    "no parameter": (
        with_key("{$request.query.hook}/{kind}"),
        [("error", "path-parameter-missing", "{kind}")],
    ),
    "extra parameter": (
        merge(event, parameters=[{"name": "kind", "in": "path", "required": True, "schema": {}}]),
        [("error", "path-parameter-missing", "does not hold")],
    ),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("version", ["3.0.3", "3.1.0", "3.2.0"])
def test_each_flaw_is_found_and_nothing_else(case: str, version: str) -> None:
    change, expected = CASES[case]
    document = good(version)
    change(document)
    found = judge_document(document)
    assert [(f.severity.value, f.rule) for f in found] == [(s, rule) for s, rule, _ in expected]
    for finding, (_, _, phrase) in zip(found, expected, strict=True):
        assert phrase in str(finding)
        assert finding.where.startswith("#")


@pytest.mark.parametrize("version", ["3.0.4", "3.1.1", "3.2.0"])
def test_the_contract_of_anybodys_document_sends_and_checks(version: str) -> None:
    (contract,) = read_document(good(version))
    assert (contract.operation, contract.callback, contract.method) == ("createOrder", "event", "POST")
    assert contract.dump({"paid": True}).body == b'{"paid":true}'
    assert contract.check(200, [], b'{"ok":1}').breach == '$.ok: 1 is not of type "boolean"'


def test_the_dialect_of_openapi_3_0_is_read_as_it_is_meant() -> None:
    document = good("3.0.3")
    document["components"]["schemas"]["Event"]["properties"] = {
        "paid": {"type": "boolean", "nullable": True},
        "sum": {
            "type": "number",
            "minimum": 0,
            "exclusiveMinimum": True,
            "maximum": 9,
            "exclusiveMaximum": False,
        },
        "exclusiveMinimum": {"type": "string"},
        "ack": {"$ref": "#/components/schemas/Ack", "type": "string"},
    }
    (contract,) = read_document(document)
    contract.dump({"paid": None, "sum": 9, "exclusiveMinimum": "x", "ack": {"ok": True}})
    for wrong in ({"paid": True, "sum": 0}, {"paid": True, "sum": None}, {"paid": True, "ack": "x"}):
        with pytest.raises(RingbackError):
            contract.dump(wrong)


@pytest.mark.parametrize("document", [{}, {"swagger": "2.0"}, {"openapi": "4.0.0"}, {"openapi": None}])
def test_what_is_no_openapi_3_is_said(document: Document) -> None:
    assert [f.rule for f in judge_document(document)] == ["version-unknown"]


def paths_in(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(found for key, value in inner for found in paths_in(value, (*path, key)))]


PLACES = [path for path in paths_in(good()) if path]
junk = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(max_size=3),
    st.just([]),
    st.just({}),
    st.just([None]),
    st.just({"$ref": 7}),
    st.just({"$ref": "#/paths"}),
    st.just({"$ref": "#/components/schemas/Event"}),
    st.just({"x": {"$ref": "#/x"}}),
    st.just([{"in": 1}]),
    st.just({"type": []}),
    st.just({"200": None}),
)


@given(st.lists(st.tuples(st.sampled_from(PLACES), junk), min_size=1, max_size=3))
def test_no_malformed_document_breaks_the_rules(changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    document: Any = good()
    for path, value in changes:
        node = document
        for step in path[:-1]:
            node = node.get(step) if isinstance(node, dict) else None
        if isinstance(node, dict):
            node[path[-1]] = copy.deepcopy(value)
    for finding in judge_document(document):
        assert finding.message
        assert finding.fix
