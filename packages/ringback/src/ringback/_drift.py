"""A contract that changed after its target was bound: may today's payload go to yesterday's receiver?"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ringback._contract import Contract
from ringback._openapi.answer import AnswerReader, DeclaredResponse
from ringback._openapi.payload import Payload
from ringback._openapi.schemas import Schema

__all__ = ["EarlierContract", "differences"]

_MAX_DIFFERENCES: Final = 10


class EarlierContract:
    """A contract as it was, or as another version of the app has it, read back from its stored `shape`.

    Make it once for each fingerprint.
    """

    def __init__(self, shape: Mapping[str, Any]) -> None:
        self.shape = shape
        body = shape["body"]
        self._body = None if body is None else Schema(body["schema"])
        self._parameters = [(parameter, Schema(parameter["schema"])) for parameter in shape["parameters"]]
        self._responses = {
            code: {media_type: Schema(text) for media_type, text in content.items()}
            for code, content in shape["responses"].items()
        }
        self._readers: dict[Contract | None, AnswerReader] = {}

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

    def note(self, now: Contract) -> str:
        """What is recorded of a payload that fits both."""
        return "sent as promised when the target was bound; changed since: " + "; ".join(
            differences(self.shape, now.shape)
        )

    def answers(self, now: Contract | None) -> AnswerReader:
        """Judges answers by what was promised then, and reads them into today's models where they fit."""
        if now not in self._readers:
            models = {} if now is None else now.reader.models
            self._readers[now] = AnswerReader(
                {
                    code: DeclaredResponse(content, models.get(code))
                    for code, content in self._responses.items()
                }
            )
        return self._readers[now]

    def _reason(self, now: Contract, payload: Payload) -> str | None:
        if self.shape["method"] != now.method:
            return f"it was sent with {self.shape['method']}, and is now with {now.method}"
        wrong = next(self._wrong_parameters(payload), None)
        if wrong is not None:
            return wrong
        body = self.shape["body"]
        if self._body is None or body is None:
            return "it had no body" if payload.body else None
        if not payload.body:
            return "it had to have a body" if body["required"] else None
        media_type = dict(payload.headers).get("content-type")
        if media_type != body["media_type"]:
            return f"its body was {body['media_type']}, and is now {media_type}"
        return self._body.breach(payload.value)

    def _wrong_parameters(self, payload: Payload) -> Iterator[str]:
        given = {_key(place, name): value for (place, name), value in payload.given.items()}
        for parameter, schema in self._parameters:
            key = _key(parameter["in"], parameter["name"])
            words = f"the {parameter['in']} parameter {parameter['name']!r}"
            if key not in given:
                if parameter["required"]:
                    yield f"{words} was always given"
            elif breach := schema.breach(given[key]):
                yield f"{words} would be {breach}"


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


def _key(place: str, name: str) -> tuple[str, str]:
    return place, name.lower() if place == "header" else name


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
