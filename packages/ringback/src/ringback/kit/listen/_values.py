"""Texts of a request's path, query, headers and forms, read back as the JSON values that they stand for."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from pydantic_core import from_json

from ringback._openapi.parameters import CallbackParameter
from ringback._openapi.references import DanglingReference
from ringback._openapi.schemas import Schema
from ringback.kit._examples import merged

__all__ = ["MISSING", "kinds_of", "read_fields", "read_parameter", "read_text"]

MISSING: Final = object()
"""What is read of a parameter that is not there."""

_SEPARATORS: Final = {"spaceDelimited": " ", "pipeDelimited": "|"}

Pairs = Sequence[tuple[str, str]]
"""Names and texts, percent-encoding undone, in the order in which they came."""


def read_parameter(parameter: CallbackParameter, pairs: Pairs) -> Any:
    """The value of a parameter among all that came in its place, or `MISSING`."""
    schema, kinds = parameter.schema.text, kinds_of(parameter.schema.text)
    texts = [text for name, text in pairs if name == parameter.name]
    if "object" in kinds and (found := _object_texts(parameter, pairs, texts)):
        return _typed(schema, schema, found)
    if not texts:
        return MISSING
    if "array" in kinds:
        if parameter.explode and parameter.place in {"query", "cookie"}:
            return _typed(schema, schema, texts)
        return _typed(schema, schema, texts[0].split(_SEPARATORS.get(parameter.style, ",")))
    return _typed(schema, schema, texts[0] if len(texts) == 1 else texts)


def read_text(schema: Mapping[str, Any], text: str) -> Any:
    """One text as the value that the schema expects there."""
    return _typed(schema, schema, text)


def read_fields(schema: Mapping[str, Any], pairs: Pairs) -> dict[str, Any]:
    """A form's fields as an object."""
    properties = _merged(schema, schema).get("properties") or {}
    texts: dict[str, list[str]] = {}
    for name, text in pairs:
        texts.setdefault(name, []).append(text)
    return {
        name: _typed(
            schema,
            properties.get(name, {}),
            found if "array" in kinds_of(properties.get(name, {}), schema) or len(found) > 1 else found[0],
        )
        for name, found in texts.items()
    }


def kinds_of(node: Any, root: Mapping[str, Any] | None = None) -> frozenset[str]:
    """The JSON types that a schema speaks of; empty where it names none."""
    root = node if root is None else root
    schema = _merged(root, node)
    named = schema.get("type")
    found = {named} if isinstance(named, str) else set(named or ())
    found |= {
        _type_of(value)
        for value in [*schema.get("enum", ()), *([schema["const"]] if "const" in schema else [])]
    }
    for word in ("anyOf", "oneOf"):
        for part in schema.get(word) or ():
            found |= kinds_of(part, root)
    return frozenset(found)


def _object_texts(parameter: CallbackParameter, pairs: Pairs, texts: list[str]) -> dict[str, str]:
    properties = _merged(parameter.schema.text, parameter.schema.text).get("properties") or {}
    if parameter.style == "deepObject":
        start = f"{parameter.name}["
        return {
            name[len(start) : -1]: text
            for name, text in pairs
            if name.startswith(start) and name.endswith("]")
        }
    if parameter.explode and parameter.place in {"query", "cookie"} and not texts:
        return {name: text for name, text in pairs if name in properties}
    pieces = texts[0].split(",") if texts else []
    if parameter.explode:
        return {name: text for name, sign, text in (piece.partition("=") for piece in pieces) if sign}
    return dict(zip(pieces[::2], pieces[1::2], strict=False))


def _typed(root: Mapping[str, Any], node: Any, raw: Any) -> Any:
    if isinstance(raw, list):
        items = _merged(root, node).get("items", {})
        return [_typed(root, items, one) for one in raw]
    if isinstance(raw, dict):
        properties = _merged(root, node).get("properties") or {}
        return {name: _typed(root, properties.get(name, {}), one) for name, one in raw.items()}
    kinds = kinds_of(node, root)
    if not kinds or kinds == {"string"}:
        return raw
    try:
        value = from_json(raw, allow_inf_nan=False)
    except ValueError:
        return raw
    is_scalar = value is None or isinstance(value, bool | int | float)
    if not is_scalar or ("string" in kinds and _fits(root, node, raw)):
        return raw
    return value


def _fits(root: Mapping[str, Any], node: Any, value: Any) -> bool:
    components = {"components": root["components"]} if "components" in root else {}
    return isinstance(node, Mapping) and Schema({**components, **node}).breach(value) is None


def _merged(root: Mapping[str, Any], node: Any) -> dict[str, Any]:
    try:
        return merged(root, node)
    except DanglingReference:
        return {}


def _type_of(value: Any) -> str:
    names: Iterable[tuple[type, str]] = (
        (bool, "boolean"), (str, "string"), (int, "integer"),
        (float, "number"), (list, "array"), (dict, "object"),
    )  # fmt: skip
    return next((name for kind, name in names if isinstance(value, kind)), "null")
