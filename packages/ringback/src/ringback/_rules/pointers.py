"""What a schema says about the value at a JSON Pointer, before any value is there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ringback._openapi.references import DanglingReference, follow

__all__ = ["Promise", "promise_at"]

_MAX_DEPTH: Final = 24
_NULL: Final = {"type": "null"}


@dataclass(frozen=True, slots=True)
class Promise:
    """What is known: whether the schema names the value, excludes it, or ensures it, and its JSON types.

    No types means that nothing is known of them.
    """

    named: bool
    excluded: bool = False
    ensured: bool = False
    types: frozenset[str] = frozenset()


def promise_at(document: Mapping[str, Any], schema: Any, pointer: tuple[str, ...]) -> Promise:
    """Walk down a schema along a pointer."""
    named, excluded, ensured = True, False, True
    schemas = [schema]
    for token in pointer:
        steps = [_step(document, candidate, token, 0) for candidate in schemas]
        schemas = [found for step in steps for found in step.found]
        named = bool(schemas)
        ensured = ensured and all(step.ensured for step in steps)
        excluded = not named and all(step.closed for step in steps)
        if not named:
            return Promise(False, excluded)
    types = frozenset().union(*(_types(document, found, 0) for found in schemas))
    return Promise(named, excluded, ensured and "null" not in types, types)


@dataclass(frozen=True, slots=True)
class _Step:
    found: tuple[Any, ...] = ()
    closed: bool = False
    ensured: bool = False


def _step(document: Mapping[str, Any], node: Any, token: str, depth: int) -> _Step:
    schema = _resolved(document, node)
    if depth > _MAX_DEPTH or not schema:
        return _Step()
    # All of these hold at once: what the schema says itself, each of allOf, and one of each list of choices.
    steps = [_own(schema, token)]
    steps += [_step(document, each, token, depth + 1) for each in _listed(schema, "allOf")]
    for word in ("anyOf", "oneOf"):
        if choices := _listed(schema, word):
            steps.append(_choice(document, choices, token, depth + 1))
    return _Step(
        tuple(found for step in steps for found in step.found),
        closed=any(step.closed for step in steps),
        ensured=any(step.ensured for step in steps),
    )


def _choice(document: Mapping[str, Any], choices: Sequence[Any], token: str, depth: int) -> _Step:
    steps = [_step(document, each, token, depth) for each in choices if each != _NULL]
    return _Step(
        tuple(found for step in steps for found in step.found),
        closed=all(step.closed for step in steps),
        ensured=_NULL not in choices and all(step.ensured for step in steps),
    )


def _listed(schema: Mapping[str, Any], word: str) -> Sequence[Any]:
    choices = schema.get(word)
    return choices if isinstance(choices, list) else ()


def _own(schema: Mapping[str, Any], token: str) -> _Step:
    properties, ensured = schema.get("properties"), token in (schema.get("required") or ())
    if isinstance(properties, Mapping) and token in properties:
        return _Step((properties[token],), ensured=ensured)
    if token.isdecimal() and (schema.get("items") or schema.get("prefixItems")):
        first = schema.get("prefixItems") or ()
        index = min(int(token[:9]), len(first))
        return _Step((first[index] if index < len(first) else schema.get("items", {}),))
    others = schema.get("additionalProperties")
    if isinstance(others, Mapping) and others:
        return _Step((others,))
    scalar = schema.get("type") in {"string", "integer", "number", "boolean", "null"}
    closed = scalar or (others is False and "patternProperties" not in schema)
    return _Step(closed=closed, ensured=ensured)


def _types(document: Mapping[str, Any], node: Any, depth: int) -> frozenset[str]:
    schema = _resolved(document, node)
    if depth > _MAX_DEPTH:
        return frozenset()
    declared = schema.get("type")
    if isinstance(declared, str):
        nullable = {"null"} if schema.get("nullable") is True else set()
        return frozenset({declared} | nullable)
    if isinstance(declared, list):
        return frozenset(each for each in declared if isinstance(each, str))
    choices = [*(schema.get("anyOf") or ()), *(schema.get("oneOf") or ()), *(schema.get("allOf") or ())]
    return frozenset().union(*(_types(document, each, depth + 1) for each in choices))


def _resolved(document: Mapping[str, Any], node: Any) -> Mapping[str, Any]:
    try:
        schema = follow(document, node)
    except DanglingReference:
        return {}
    return schema if isinstance(schema, Mapping) else {}
