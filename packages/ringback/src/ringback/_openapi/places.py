"""Where callbacks stand in an OpenAPI document, whatever else is wrong with it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from ringback._openapi.references import DanglingReference, follow
from ringback._sources import Parameter

__all__ = ["METHODS", "Place", "main_parameters", "places"]

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace", "query")
"""The fields of a Path Item that hold operations (OpenAPI 3.2 added ``query``)."""


@dataclass(frozen=True, slots=True)
class Place:
    """One callback operation and what surrounds it. `method` is empty where the key holds no operation."""

    path: str
    main_method: str
    main: Mapping[str, Any]
    main_item: Mapping[str, Any]
    callback: str
    key: str
    item: Mapping[str, Any]
    method: str
    operation: Mapping[str, Any]

    @property
    def operation_id(self) -> str:
        """The main operation's id, or method and path where it has none."""
        return str(self.main.get("operationId") or f"{self.main_method.upper()} {self.path}")

    @property
    def pointer(self) -> str:
        """The JSON Pointer of the callback operation."""
        tokens = ("paths", self.path, self.main_method, "callbacks", self.callback, self.key, self.method)
        return "#/" + "/".join(t.replace("~", "~0").replace("/", "~1") for t in tokens if t)


def places(document: Mapping[str, Any]) -> Iterator[Place]:
    """Every callback operation in a document, in its order."""
    for path, node in _mapping(document, document.get("paths")).items():
        item = _mapping(document, node)
        for main_method in METHODS:
            main = _mapping(document, item.get(main_method))
            for name, callback in _mapping(document, main.get("callbacks")).items():
                for key, key_node in _mapping(document, callback).items():
                    if not str(key).startswith("x-"):
                        around = partial(Place, str(path), main_method, main, item, str(name), str(key))
                        yield from _operations(around, _mapping(document, key_node))


def main_parameters(document: Mapping[str, Any], place: Place) -> list[Parameter]:
    """The parameters that the main operation declares, as (place, name)."""
    found: list[Parameter] = []
    for holder in (place.main_item, place.main):
        nodes = holder.get("parameters")
        for node in nodes if isinstance(nodes, list) else []:
            parameter = _mapping(document, node)
            found.append((str(parameter.get("in")), str(parameter.get("name"))))
    return list(dict.fromkeys(found))


def _operations(around: Callable[..., Place], item: Mapping[str, Any]) -> Iterator[Place]:
    methods = [method for method in METHODS if isinstance(item.get(method), Mapping)]
    for method in methods:
        yield around(item, method, item[method])
    if not methods:
        yield around(item, "", {})


def _mapping(document: Mapping[str, Any], node: Any) -> Mapping[str, Any]:
    try:
        found = follow(document, node)
    except DanglingReference:
        return {}
    return found if isinstance(found, Mapping) else {}
