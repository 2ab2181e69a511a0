"""The fingerprint of a contract: it changes with the meaning, not with the words or the names of schemas."""

import hashlib
from collections.abc import Mapping
from typing import Any

from pydantic_core import to_json

from ringback._openapi.references import look_up, rewrite

__all__ = ["fingerprint_of"]

_WORDS = frozenset({"title", "description", "summary", "example", "examples", "deprecated", "externalDocs"})


def fingerprint_of(shape: Mapping[str, Any]) -> str:
    """64 hexadecimal digits for what sender and receiver agree on."""
    return hashlib.sha256(to_json(_meaning(shape))).hexdigest()


def _meaning(node: Any) -> Any:
    """The shape with every schema canonical; they stand under ``schema`` or a media type."""
    if isinstance(node, list):
        return [_meaning(item) for item in node]
    if not isinstance(node, Mapping):
        return node
    return {
        key: _canonical(value) if key == "schema" or "/" in key else _meaning(value)
        for key, value in sorted(node.items())
    }


def _canonical(schema: Mapping[str, Any]) -> list[Any]:
    """The schema and all it refers to, in the order of first mention, with numbers for names."""
    numbers: dict[str, int] = {}

    def change(part: dict[str, Any]) -> dict[str, Any]:
        part = {key: value for key, value in sorted(part.items()) if key not in _WORDS}
        if isinstance(part.get("required"), list):
            part["required"] = sorted(part["required"])
        if isinstance(part.get("$ref"), str):
            part["$ref"] = str(numbers.setdefault(part["$ref"], len(numbers)))
        return part

    root = {key: value for key, value in schema.items() if key != "components"}
    parts = [rewrite(_sorted(root), change)]
    while len(parts) <= len(numbers):
        reference = list(numbers)[len(parts) - 1]
        parts.append(rewrite(_sorted(look_up(schema, reference)), change))
    return parts


def _sorted(node: Any) -> Any:
    if isinstance(node, Mapping):
        return {key: _sorted(node[key]) for key in sorted(node)}
    return [_sorted(item) for item in node] if isinstance(node, list) else node
