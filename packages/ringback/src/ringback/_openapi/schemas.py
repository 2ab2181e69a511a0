"""JSON Schemas of an OpenAPI document, compiled once and asked often."""

from collections.abc import Mapping
from typing import Any, Final

import jsonschema_rs

from ringback._errors import RingbackError
from ringback._openapi.references import bundle, rewrite

__all__ = ["InvalidSchema", "Schema", "compile_schema", "json_path"]

_MAX_MESSAGE: Final = 300


class InvalidSchema(RingbackError):
    """What stands as a schema in the document is none."""


class Schema:
    """One compiled schema. `text` is the self-contained JSON Schema that it was compiled from."""

    __slots__ = ("_validator", "anything", "text")

    def __init__(self, text: dict[str, Any]) -> None:
        self.text = text
        self.anything = not text
        """Whether it promises nothing at all."""
        try:
            self._validator = jsonschema_rs.Draft202012Validator(text, validate_formats=True, offline=True)
        except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
            raise InvalidSchema(f"The document holds what is no JSON Schema: {_flaw(text, error)}.") from None

    def breach(self, value: Any) -> str | None:
        """The first thing in a JSON value that breaks the schema, with its JSON path, or None."""
        if self._validator.is_valid(value):
            return None
        try:
            # Not `iter_errors`: it finds them all first, in quadratic time.
            self._validator.validate(value)
        except jsonschema_rs.ValidationError as error:
            return f"{json_path(error.instance_path)}: {_short(error.message)}"
        raise AssertionError("what is not valid has an error")


def compile_schema(document: Mapping[str, Any], schema: Any) -> Schema:
    """Compile a schema that stands in an OpenAPI document of any version."""
    text = {} if schema is None or schema is True else bundle(document, schema)
    if str(document.get("openapi", "")).startswith("3.0"):
        text = rewrite(text, _from_3_0)
    return Schema(text)


def json_path(path: list[str | int]) -> str:
    """``["items", 0, "price"]`` as ``$.items[0].price``."""
    text = "$"
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif step.isidentifier():
            text += f".{step}"
        else:
            text += f"[{step!r}]"
    return text


def _flaw(text: Mapping[str, Any], error: Exception) -> str:
    """Where the flaw is: the compiler does not say which of the schemas it is in."""
    parts = {"the schema itself": {key: value for key, value in text.items() if key != "components"}}
    for section, named in text.get("components", {}).items():
        parts |= {f"{section}/{name}": part for name, part in named.items()}
    for name, part in parts.items():
        try:
            jsonschema_rs.meta.validate(part)
        except (jsonschema_rs.ValidationError, ValueError) as found:
            where = json_path(getattr(found, "instance_path", []))
            return f"{name}, {where}: {_short(getattr(found, 'message', str(found)))}"
    return _short(getattr(error, "message", str(error)))


def _short(message: str) -> str:
    return message if len(message) <= _MAX_MESSAGE else message[: _MAX_MESSAGE - 1] + "…"


def _from_3_0(schema: dict[str, Any]) -> dict[str, Any]:
    """One schema object of OpenAPI 3.0 in the words of JSON Schema 2020-12."""
    if isinstance(schema.get("$ref"), str):
        # Siblings of $ref mean nothing in 3.0; the components beside the outermost are ours.
        return {key: value for key, value in schema.items() if key in {"$ref", "components"}}
    for limit, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(schema.get(exclusive), bool) and schema.pop(exclusive) and limit in schema:
            schema[exclusive] = schema.pop(limit)
    if schema.pop("nullable", False) is True and isinstance(schema.get("type"), str):
        schema["type"] = [schema["type"], "null"]
    return schema
