"""Finding one's way in an OpenAPI document: local references, and the part of it that a schema needs."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote

from ringback._errors import RingbackError

__all__ = ["DanglingReference", "bundle", "follow", "look_up", "references_in", "rewrite"]

_MAX_HOPS: Final = 32

# Under these a key is a name that somebody chose, not a keyword …
_NAMED: Final = {"properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "schemas"}
# … and below these stands data, not schema.
_DATA: Final = {"default", "enum", "const", "example", "examples"}


class DanglingReference(RingbackError):
    """A ``$ref`` leads nowhere in its own document."""


def follow(document: Mapping[str, Any], node: Any) -> Any:
    """The node itself, or what its ``$ref`` leads to, through further references.

    Raises `DanglingReference` where one leads outside the document, nowhere, or round in a circle.
    """
    for _ in range(_MAX_HOPS):
        if not isinstance(node, Mapping) or not isinstance(node.get("$ref"), str):
            return node
        node = look_up(document, node["$ref"])
    raise DanglingReference(f"$ref {node.get('$ref')!r} leads round in a circle. Let it end at a definition.")


def look_up(document: Mapping[str, Any], reference: str) -> Any:
    """What one local reference leads to; raises `DanglingReference`."""
    node: Any = document
    for token in _tokens(reference):
        if isinstance(node, Mapping) and token in node:
            node = node[token]
        elif isinstance(node, list) and token.isdecimal() and len(token) < 9 and int(token) < len(node):
            node = node[int(token)]
        else:
            raise DanglingReference(
                f"$ref {reference!r} leads nowhere in the document. Add what it names, or correct it."
            )
    return node


def references_in(node: Any) -> Iterator[str]:
    """Every ``$ref`` text of a schema or a larger part of the document, in no order."""
    stack = [(node, False)]
    while stack:
        current, named = stack.pop()
        if isinstance(current, Mapping):
            if not named and isinstance(current.get("$ref"), str):
                yield current["$ref"]
            stack.extend(
                (v, not named and k in _NAMED) for k, v in current.items() if named or k not in _DATA
            )
        elif isinstance(current, list):
            stack.extend((item, False) for item in current)


def rewrite(node: Any, change: Callable[[dict[str, Any]], dict[str, Any]], *, named: bool = False) -> Any:
    """A copy of a schema in which `change` has seen every subschema, the inner ones first."""
    if isinstance(node, list):
        return [rewrite(item, change) for item in node]
    if not isinstance(node, Mapping):
        return node
    copy = {
        key: value
        if not named and key in _DATA
        else rewrite(value, change, named=not named and key in _NAMED)
        for key, value in node.items()
    }
    return copy if named else change(copy)


def bundle(document: Mapping[str, Any], schema: Any) -> dict[str, Any]:
    """One self-contained JSON Schema: the schema, with all that it refers to at the places it names."""
    result: dict[str, Any] = dict(schema) if isinstance(schema, Mapping) else {"allOf": [schema]}
    done: set[str] = set()
    waiting = list(references_in(schema))
    while waiting:
        tokens = _tokens(waiting.pop())
        # Whole components, so that a reference into the middle of one finds it too.
        place = tokens[:3] if tokens[0] == "components" else tokens[:1]
        name = "#/" + "/".join(token.replace("~", "~0").replace("/", "~1") for token in place)
        if name not in done:
            done.add(name)
            target = look_up(document, name)
            _put(result, place, target)
            waiting.extend(references_in(target))
    return result


def _tokens(reference: str) -> list[str]:
    if not reference.startswith("#/"):
        raise DanglingReference(
            f"$ref {reference!r} leads out of the document. Bundle the files into one document first."
        )
    return [unquote(token).replace("~1", "/").replace("~0", "~") for token in reference[2:].split("/")]


def _put(result: dict[str, Any], place: list[str], target: Any) -> None:
    node = result
    for token in place[:-1]:
        node = node.setdefault(token, {})
    node[place[-1]] = target
