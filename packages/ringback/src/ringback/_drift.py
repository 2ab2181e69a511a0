"""A contract that changed after its target was bound: may today's payload go to yesterday's receiver?"""

from collections.abc import Mapping
from typing import Any, Final

from ringback._contract import Contract
from ringback._openapi.payload import Payload
from ringback._openapi.schemas import Schema

__all__ = ["EarlierContract", "differences"]

_MAX_DIFFERENCES: Final = 10


class EarlierContract:
    """The contract as it was, read back from its stored `shape`; make it once for each fingerprint."""

    def __init__(self, shape: Mapping[str, Any]) -> None:
        self.shape = shape
        body = shape["body"]
        self._body = None if body is None else Schema(body["schema"])

    def refuses(self, now: Contract, payload: Payload) -> str | None:
        """Why the payload breaks what the receiver was promised, with the differences; None if it does not.

        A changed contract is compatible as long as each payload still fits the earlier one.
        """
        reason = self._reason(now, payload)
        if reason is None:
            return None
        listed = "\n".join(f"  {line}" for line in differences(self.shape, now.shape))
        return (
            f"{now.callback}: this payload fits today's document, but not the one under which the target was "
            f"bound: {reason}. Nothing was stored. Send what both allow, or bind the target again "
            f"(replace=True) once its receiver knows. What changed:\n{listed}"
        )

    def _reason(self, now: Contract, payload: Payload) -> str | None:
        if self.shape["method"] != now.method:
            return f"it was sent with {self.shape['method']}, and is now with {now.method}"
        missing = self._missing_parameter(payload)
        if missing is not None:
            return missing
        body = self.shape["body"]
        if self._body is None or body is None:
            return "it had no body" if payload.body else None
        if not payload.body:
            return "it had to have a body" if body["required"] else None
        media_type = dict(payload.headers).get("content-type")
        if media_type != body["media_type"]:
            return f"its body was {body['media_type']}, and is now {media_type}"
        return self._body.breach(payload.value)

    def _missing_parameter(self, payload: Payload) -> str | None:
        given = {("header", name) for name, _ in payload.headers}
        given |= {("path", name) for name in payload.path}
        given |= {("query", name) for name in payload.query_names}
        for parameter in self.shape["parameters"]:
            name = parameter["name"].lower() if parameter["in"] == "header" else parameter["name"]
            if parameter["required"] and parameter["in"] != "cookie" and (parameter["in"], name) not in given:
                return f"the {parameter['in']} parameter {parameter['name']!r} was always given"
        return None


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What changed between two shapes, one line each: ``body.InvoiceEvent.paid.type: boolean → string``."""
    before, after = dict(_leaves(then, "")), dict(_leaves(now, ""))
    lines = [
        f"{path}: {_short(before.get(path))} → {_short(after.get(path))}"
        for path in sorted(before.keys() | after.keys())
        if before.get(path) != after.get(path)
    ]
    if len(lines) > _MAX_DIFFERENCES:
        lines = [*lines[:_MAX_DIFFERENCES], f"… and {len(lines) - _MAX_DIFFERENCES} more"]
    return lines


def _leaves(node: Any, path: str) -> list[tuple[str, Any]]:
    if isinstance(node, Mapping) and node:
        return [leaf for key, value in node.items() for leaf in _leaves(value, _join(path, str(key)))]
    if isinstance(node, list) and any(isinstance(item, Mapping) for item in node):
        named = [
            (str(item.get("name", index)) if isinstance(item, Mapping) else str(index), item)
            for index, item in enumerate(node)
        ]
        return [leaf for name, item in named for leaf in _leaves(item, f"{path}[{name}]")]
    return [(path, node)]


def _join(path: str, key: str) -> str:
    # What stands in every path says nothing.
    if key in {"schema", "components", "schemas", "properties"}:
        return path
    return f"{path}.{key}" if path else key


def _short(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 60 else text[:59] + "…"
