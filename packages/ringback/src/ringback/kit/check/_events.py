"""Bodies for a receiver: those that the document allows, and those that it does not."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from ringback._errors import RingbackError
from ringback._openapi.payload import Payload
from ringback._openapi.references import follow
from ringback._openapi.schemas import Schema
from ringback.kit._calls import Caller, NoExample
from ringback.kit._examples import merged, variations

__all__ = ["grown", "invalid_bodies", "valid_events", "with_unknown_fields"]

_MOST_EVENTS: Final = 8
_MOST_FIELDS: Final = 40
_DEEPEST: Final = 4
_MISSING: Final = object()
_WRONG: Final = ({"unexpected": [{"of": "another type"}]}, [["unexpected"]], "unexpected")
_UNKNOWN: Final = {"added_later": "a field of a later version", "also_new": {"deep": [1, None]}}

Path = tuple[str | int, ...]


def valid_events(caller: Caller) -> list[Payload]:
    """Payloads that the document allows: its own examples first. Raises `NoExample` where none is found."""
    if caller.body is None:
        return [caller.payload()]
    found: dict[bytes, Payload] = {}
    last: RingbackError | None = None
    for value in _values(caller):
        try:
            payload = caller.payload(value)
        except RingbackError as error:  # an example that breaks its own schema, a form that cannot carry it
            last = error
        else:
            found.setdefault(payload.body, payload)
        if len(found) >= _MOST_EVENTS:
            break
    if not found:
        raise last or NoExample(f"{caller.declared.name}: no event could be made that the document accepts.")
    return list(found.values())


def invalid_bodies(caller: Caller, good: Any) -> Iterator[tuple[str, str, bytes]]:
    """Bodies that break the document in one place: a name, what is wrong in words, and the bytes."""
    body = caller.body
    assert body is not None
    schema = body.schema
    for path, field in list(_fields(schema.text, schema.text, good))[:_MOST_FIELDS]:
        shown = ".".join(map(str, path))
        for kind, words, values in _faults(field):
            broken = next((b for b in (_with(good, path, v) for v in values) if schema.breach(b)), None)
            if broken is not None:
                yield f"{kind}.{shown}", words.format(shown), _written(broken)


def with_unknown_fields(caller: Caller, good: Any) -> bytes | None:
    """The good event with fields that the document does not name; None where it forbids them."""
    assert caller.body is not None
    if not isinstance(good, dict):
        return None
    grown_event = good | _UNKNOWN
    return _written(grown_event) if caller.body.schema.breach(grown_event) is None else None


def grown(caller: Caller, good: Any, size: int) -> bytes | None:
    """The good event with a text of `size` characters somewhere; None where the document allows none."""
    assert caller.body is not None
    schema = caller.body.schema
    for path, field in _fields(schema.text, schema.text, good):
        if field.get("type") == "string" and isinstance(_at(good, path), str):
            large = _with(good, path, ("long " * size)[:size])
            if schema.breach(large) is None:
                return _written(large)
    if isinstance(good, dict) and schema.breach(good | {"added_later": "x"}) is None:
        return _written(good | {"added_later": ("long " * size)[:size]})
    return None


def _values(caller: Caller) -> Iterator[Any]:
    assert caller.body is not None
    request_body = follow(caller.document, caller.declared.place.operation.get("requestBody")) or {}
    for name, node in (request_body.get("content") or {}).items():
        media = follow(caller.document, node)
        if name.lower() == caller.body.media_type:
            if "example" in media:
                yield media["example"]
            for one in (media.get("examples") or {}).values():
                yield (follow(caller.document, one) or {}).get("value")
    schema: Schema = caller.body.schema
    yield caller.example_of(schema, "the body")
    yield from variations(schema, _MOST_EVENTS)


def _fields(
    root: Mapping[str, Any], node: Any, value: Any, path: Path = ()
) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every declared field of a value with its schema, the outer ones first."""
    schema = merged(root, node)
    if len(path) > _DEEPEST:
        return
    if isinstance(value, dict):
        properties = schema.get("properties") or {}
        for name, inner in properties.items():
            if name in value or name in (schema.get("required") or []):
                yield (
                    (*path, name),
                    merged(root, inner) | {"is_required": name in (schema.get("required") or [])},
                )
        for name, inner in properties.items():
            yield from _fields(root, inner, value.get(name), (*path, name))
    elif isinstance(value, list) and value and "items" in schema:
        yield from _fields(root, schema["items"], value[0], (*path, 0))


def _faults(field: Mapping[str, Any]) -> Iterator[tuple[str, str, Sequence[Any]]]:
    """What can be wrong with a field: a name, words for it, and values to choose from."""
    if field["is_required"]:
        yield "missing", "The required field {} is missing", [_MISSING]
        yield "null", "The required field {} is null", [None]
    # No lenient reader takes these for a number, a truth value or a text.
    yield "type", "The field {} has a value of another type", _WRONG
    values = field.get("enum") or ([field["const"]] if "const" in field else [])
    if values and all(isinstance(one, str) for one in values):
        yield "value", "The field {} has a value that is not declared", ["none-of-the-declared"]
    if isinstance(field.get("minimum"), int | float):
        yield "value", "The field {} is below its minimum", [field["minimum"] - 1]
    if isinstance(field.get("maxLength"), int) and field["maxLength"] < 10_000:
        yield "value", "The field {} is longer than allowed", ["x" * (field["maxLength"] + 1)]


def _with(root: Any, path: Path, value: Any) -> Any:
    """A copy with another value at a path, or with nothing there."""
    if not path:
        return value
    step, rest = path[0], path[1:]
    if isinstance(root, list):
        index = int(step)
        return [*root[:index], _with(root[index], rest, value), *root[index + 1 :]]
    copy = dict(root) if isinstance(root, dict) else {}
    if not rest and value is _MISSING:
        copy.pop(str(step), None)
    else:
        copy[str(step)] = _with(copy.get(str(step)), rest, value)
    return copy


def _at(root: Any, path: Path) -> Any:
    for step in path:
        if isinstance(root, dict):
            root = root.get(str(step))
        elif isinstance(root, list) and isinstance(step, int):
            root = root[step]
        else:
            return None
    return root


def _written(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
