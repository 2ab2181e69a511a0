"""Where callbacks stand in an OpenAPI document."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ringback._references import follow
from ringback._sources import Parameter

__all__ = ["METHODS", "Place", "main_parameters", "places"]

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace", "query")
"""The fields of a Path Item that hold operations (OpenAPI 3.2 added ``query``)."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a callback stands in a document."""

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


def places(document: Mapping[str, Any]) -> Iterator[Place]:
    """Every callback operation in a document, in its order."""
    for path, node in document.get("paths", {}).items():
        item = follow(document, node)
        for main_method in METHODS:
            main = item.get(main_method)
            if not isinstance(main, Mapping):
                continue
            for name, callback in main.get("callbacks", {}).items():
                for key, key_node in follow(document, callback).items():
                    if key.startswith("x-"):
                        continue
                    key_item = follow(document, key_node)
                    for method in METHODS:
                        if isinstance(key_item.get(method), Mapping):
                            yield Place(
                                path, main_method, main, item, name, key, key_item, method, key_item[method]
                            )


def main_parameters(document: Mapping[str, Any], place: Place) -> list[Parameter]:
    """The parameters that the main operation declares, as (place, name)."""
    nodes = [*place.main_item.get("parameters", []), *place.main.get("parameters", [])]
    found = [follow(document, node) for node in nodes]
    return list(dict.fromkeys((parameter["in"], parameter["name"]) for parameter in found))
