"""The callback's own parameters: JSON values written as path, query, header and cookie text."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ringback._errors import ContractBreach, UnusableValue
from ringback._openapi.references import follow
from ringback._openapi.schemas import Schema, compile_schema
from ringback._sources import text_of

__all__ = ["OWN_HEADERS", "SIGNATURE_HEADERS", "CallbackParameter", "callback_parameters", "query_text"]

SIGNATURE_HEADERS = frozenset({"webhook-id", "webhook-timestamp", "webhook-signature"})
"""The header fields of Standard Webhooks 1.0.0, which every delivery carries."""

OWN_HEADERS = SIGNATURE_HEADERS | {
    *("content-type", "content-length", "host", "user-agent", "accept-encoding", "connection"),
    *("transfer-encoding", "te", "trailer", "upgrade", "cookie"),
}
"""Header fields that the delivery itself writes; a callback cannot send its own."""


@dataclass(frozen=True, slots=True)
class CallbackParameter:
    """One parameter of the callback operation. `style` is OpenAPI's, `explode` too."""

    place: str
    name: str
    required: bool
    schema: Schema
    explode: bool
    style: str

    @property
    def shape(self) -> dict[str, Any]:
        """What sender and receiver agree on of it."""
        return {
            "in": self.place,
            "name": self.name,
            "required": self.required,
            "style": self.style,
            "explode": self.explode,
            "schema": self.schema.text,
        }

    def write(self, value: Any) -> list[tuple[str, str]]:
        """Name and text for each place where the value goes; raises `ContractBreach`."""
        where = f"{self.place} parameter {self.name!r}"
        if breach := self.schema.breach(value):
            raise ContractBreach(f"The {where} does not match the document at {breach}. Nothing was stored.")
        try:
            pairs = self._pairs(value)
        except UnusableValue as error:
            raise ContractBreach(f"The {where} {error.reason}. Nothing was stored.") from None
        if self.required and not pairs:
            raise ContractBreach(
                f"The {where} is required, and an empty list or object leaves no trace there. "
                "Nothing was stored."
            )
        for _, text in pairs:
            plain = text.isascii() and text.isprintable() and text == text.strip()
            if self.place == "header" and not plain:
                raise ContractBreach(
                    f"The {where} is {text!r}: no header can carry what is not printable ASCII, nor spaces "
                    "at its ends. Send it in the body instead."
                )
        return pairs

    def _pairs(self, value: Any) -> list[tuple[str, str]]:
        if isinstance(value, list):
            return self._of_list([text_of(self.name, item) for item in value])
        if isinstance(value, Mapping):
            return self._of_object({key: text_of(f"{self.name}.{key}", item) for key, item in value.items()})
        return [(self.name, text_of(self.name, value))]

    def _of_list(self, texts: list[str]) -> list[tuple[str, str]]:
        if not texts or (self.explode and self.place in {"query", "cookie"}):
            return [(self.name, text) for text in texts]
        separator = {"spaceDelimited": " ", "pipeDelimited": "|"}.get(self.style, ",")
        if any(separator in text for text in texts):
            raise UnusableValue(self.name, f"holds {separator!r} in an item, which separates the items there")
        return [(self.name, separator.join(texts))]

    def _of_object(self, texts: dict[str, str]) -> list[tuple[str, str]]:
        if self.style == "deepObject":
            return [(f"{self.name}[{key}]", text) for key, text in texts.items()]
        if self.explode and self.place == "query":
            return list(texts.items())
        joiner = "=" if self.explode else ","
        return [(self.name, ",".join(f"{key}{joiner}{text}" for key, text in texts.items()))]


def callback_parameters(
    document: Mapping[str, Any], path_item: Mapping[str, Any], operation: Mapping[str, Any]
) -> dict[tuple[str, str], CallbackParameter]:
    """The parameters that the document declares for a callback, by place and name."""
    found: dict[tuple[str, str], CallbackParameter] = {}
    for node in [*path_item.get("parameters", []), *operation.get("parameters", [])]:
        parameter = follow(document, node)
        place, name = parameter["in"], parameter["name"]
        style = parameter.get("style", "form" if place in {"query", "cookie"} else "simple")
        found[place, name] = CallbackParameter(
            place=place,
            name=name,
            required=bool(parameter.get("required")),
            schema=compile_schema(document, _schema_of(document, parameter)),
            explode=bool(parameter.get("explode", style == "form")),
            style=style,
        )
    return found


def _schema_of(document: Mapping[str, Any], parameter: Mapping[str, Any]) -> Any:
    for media in parameter.get("content", {}).values():
        return follow(document, media).get("schema")
    return parameter.get("schema")


def query_text(pairs: list[tuple[str, str]]) -> str | None:
    """Name and value pairs as a query, percent-encoded; None where there are none."""
    return "&".join(f"{quote(name, safe='')}={quote(text, safe='')}" for name, text in pairs) or None
