"""A contract that changed while deliveries were owed: words do not count, and each payload is judged anew."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from ringback._contract import Contract, read_document
from ringback._drift import EarlierContract, differences


def document() -> dict[str, Any]:
    return {
        "openapi": "3.1.0",
        "info": {"title": "t", "version": "1"},
        "paths": {
            "/o": {
                "post": {
                    "operationId": "o",
                    "callbacks": {
                        "event": {
                            "{$request.query.u}/x": {
                                "post": {
                                    "operationId": "e",
                                    "summary": "Words",
                                    "parameters": [
                                        {
                                            "name": "X-Kind",
                                            "in": "header",
                                            "required": False,
                                            "schema": {"type": "string"},
                                        }
                                    ],
                                    "requestBody": {
                                        "required": True,
                                        "content": {
                                            "application/json": {
                                                "schema": {"$ref": "#/components/schemas/Event"}
                                            }
                                        },
                                    },
                                    "responses": {"200": {"description": "OK"}},
                                }
                            }
                        }
                    },
                }
            }
        },
        "components": {
            "schemas": {
                "Event": {
                    "type": "object",
                    "title": "Event",
                    "required": ["paid", "note"],
                    "properties": {
                        "paid": {"type": "boolean", "description": "Whether"},
                        "note": {"$ref": "#/components/schemas/Note"},
                        "title": {"type": "string"},
                    },
                },
                "Note": {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/Note"}}},
            }
        },
    }


Change = Callable[[dict[str, Any]], Any]


def operation(doc: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = doc["paths"]["/o"]["post"]["callbacks"]["event"]["{$request.query.u}/x"]["post"]
    return found


def event(doc: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = doc["components"]["schemas"]["Event"]
    return found


def contract(change: Change = lambda d: None) -> Contract:
    changed = document()
    change(changed)
    (found,) = read_document(changed)
    return found


def rename(doc: dict[str, Any]) -> None:
    text = json.dumps(doc).replace('"Note"', '"Note-Output"').replace("schemas/Note", "schemas/Note-Output")
    doc.clear()
    doc.update(json.loads(text))


@pytest.mark.parametrize(
    "change",
    [
        lambda d: operation(d).update(summary="Other", description="More", operationId="else"),
        lambda d: event(d).update(title="X", description="Y", examples=[{"paid": 1}]),
        lambda d: event(d)["properties"]["paid"].update(description="Z", deprecated=True),
        lambda d: event(d).update(required=["note", "paid"]),
        lambda d: event(d).update(properties=dict(reversed(event(d)["properties"].items()))),
        rename,
        lambda d: d["components"]["schemas"].update(Unused={"type": "string"}),
        lambda d: operation(d)["responses"]["200"].update(description="Fine"),
    ],
)
def test_the_fingerprint_does_not_change_with_words_names_or_order(change: Change) -> None:
    assert contract(change).fingerprint == contract().fingerprint


@pytest.mark.parametrize(
    "change",
    [
        lambda d: event(d)["properties"].pop("title"),
        lambda d: event(d).update(required=["paid"]),
        lambda d: event(d)["properties"]["paid"].update(type=["boolean", "null"]),
        lambda d: event(d)["properties"]["title"].update(enum=["title"]),
        lambda d: d["components"]["schemas"]["Note"].update(additionalProperties=False),
        lambda d: operation(d)["parameters"][0].update(required=True),
        lambda d: operation(d)["requestBody"].update(required=False),
        lambda d: operation(d)["responses"].update({"202": {"description": "Later"}}),
    ],
)
def test_the_fingerprint_changes_with_the_meaning(change: Change) -> None:
    assert contract(change).fingerprint != contract().fingerprint
    assert len(contract(change).fingerprint) == 64


PAYLOAD = {"paid": True, "note": {}}


@pytest.mark.parametrize(
    ("change", "payload", "reason"),
    [
        (lambda d: None, PAYLOAD, None),
        (lambda d: event(d)["properties"].update(extra={"type": "string"}), {**PAYLOAD, "extra": "x"}, None),
        (lambda d: event(d).update(required=["paid"]), PAYLOAD, None),
        (lambda d: event(d).update(required=["paid"]), {"paid": True}, '"note" is a required property'),
        (
            lambda d: event(d)["properties"]["paid"].update(type="string"),
            {"paid": "yes", "note": {}},
            "$.paid",
        ),
        (
            lambda d: operation(d)["requestBody"].update(
                content={"application/x+json": {"schema": {"$ref": "#/components/schemas/Event"}}}
            ),
            PAYLOAD,
            "its body was application/json, and is now application/x+json",
        ),
    ],
)
def test_a_payload_goes_if_it_still_fits_what_was_promised(
    change: Change, payload: Any, reason: str | None
) -> None:
    earlier = EarlierContract(json.loads(json.dumps(contract().shape)))
    now = contract(change)
    refusal = earlier.refuses(now, now.dump(payload))
    if reason is None:
        assert refusal is None
    else:
        assert refusal is not None
        assert reason in refusal
        assert "What changed:\n  " in refusal
        assert "replace=True" in refusal


def put(doc: dict[str, Any]) -> None:
    item = doc["paths"]["/o"]["post"]["callbacks"]["event"]["{$request.query.u}/x"]
    item["put"] = item.pop("post")


def test_another_method_is_refused() -> None:
    now = contract(put)
    refusal = EarlierContract(contract().shape).refuses(now, now.dump(PAYLOAD))
    assert refusal is not None
    assert "sent with POST, and is now with PUT" in refusal
    assert "method: POST → PUT" in refusal


def test_a_body_that_comes_or_goes_is_refused() -> None:
    with_body = contract()
    without = contract(lambda d: operation(d).pop("requestBody"))
    refusal = EarlierContract(without.shape).refuses(with_body, with_body.dump(PAYLOAD))
    assert refusal is not None
    assert "it had no body" in refusal
    refusal = EarlierContract(with_body.shape).refuses(without, without.dump())
    assert refusal is not None
    assert "it had to have a body" in refusal
    assert EarlierContract(without.shape).refuses(without, without.dump()) is None


def test_a_parameter_that_was_always_given_must_be_given() -> None:
    required = contract(lambda d: operation(d)["parameters"][0].update(required=True))
    now = contract()
    refusal = EarlierContract(required.shape).refuses(now, now.dump(PAYLOAD))
    assert refusal is not None
    assert "the header parameter 'X-Kind' was always given" in refusal
    assert EarlierContract(required.shape).refuses(now, now.dump(PAYLOAD, **{"X-Kind": "k"})) is None


def test_a_parameter_must_still_be_what_it_was() -> None:
    def change(d: dict[str, Any]) -> None:
        operation(d)["parameters"][0].update(name="x-kind", schema={"type": ["string", "integer"]})

    now = contract(change)
    refusal = EarlierContract(contract().shape).refuses(now, now.dump(PAYLOAD, **{"x-kind": 7}))
    assert refusal is not None
    assert """the header parameter 'X-Kind' would be $: 7 is not of type "string".""" in refusal
    assert EarlierContract(contract().shape).refuses(now, now.dump(PAYLOAD, **{"x-kind": "k"})) is None


def test_differences_are_one_line_each_and_not_too_many() -> None:
    then, now = (
        contract().shape,
        contract(lambda d: event(d)["properties"]["paid"].update(type="string")).shape,
    )
    assert differences(then, now) == ["body.Event.paid.type: boolean → string"]
    assert differences(then, copy.deepcopy(dict(then))) == []
    many = {"method": "POST", **{f"k{i}": i for i in range(20)}}
    assert len(differences({"method": "POST"}, many)) == 11
    assert differences({"method": "POST"}, many)[-1] == "… and 10 more"
