"""One request judged by the document: path, query, header fields, body."""

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from pydantic_core import from_json

from ringback._openapi.answer import DeclaredResponse, is_deeper, is_json
from ringback._openapi.parameters import (
    OWN_HEADERS,
    SIGNATURE_HEADERS,
    CallbackParameter,
    callback_parameters,
)
from ringback._openapi.references import follow
from ringback._openapi.schemas import Schema, compile_schema
from ringback._sources import Source
from ringback.kit._declared import schema_of_source
from ringback.kit._wire import Incoming
from ringback.kit.listen._checks import Check, Finding
from ringback.kit.listen._routes import Match, Place, Route
from ringback.kit.listen._values import MISSING, read_fields, read_parameter, read_text

__all__ = ["Judge"]

_UNDOCUMENTED: Final = OWN_HEADERS - SIGNATURE_HEADERS
_FORM: Final = "application/x-www-form-urlencoded"


class Judge:
    """Knows what the document says of one callback's requests."""

    def __init__(self, document: Mapping[str, Any], route: Route) -> None:
        self.route = route
        place = route.declared.place
        self._template = route.declared.contract.template
        self._parameters = callback_parameters(document, place.item, place.operation)
        self._sources = {
            source: compile_schema(document, schema)
            for source in self._template.sources
            if (schema := schema_of_source(document, place, source))
        }
        node = follow(document, place.operation.get("requestBody")) or {}
        self._body_required = bool(node.get("required"))
        self._content: dict[str, Schema] = {
            media_type.lower(): compile_schema(document, follow(document, media).get("schema"))
            for media_type, media in (node.get("content") or {}).items()
        }
        self._depth = DeclaredResponse(self._content).depth

    def check(self, incoming: Incoming, matched: Match) -> list[Check]:
        """Everything that the document says something about."""
        query = parse_qsl(incoming.target.partition("?")[2], keep_blank_values=True)
        headers = [(name, value) for name, value in incoming.headers if name != "cookie"]
        cookies = [pair for name, value in incoming.headers if name == "cookie" for pair in _cookies(value)]
        checks = [self._path(matched)]
        for subject, places in (
            ("query", {"query": query}),
            ("headers", {"header": headers, "cookie": cookies}),
        ):
            wrong = [*(self._query(query) if subject == "query" else ()), *self._given(places)]
            declared = sum(1 for place, name in self._parameters if place in places and name)
            if wrong or declared or (subject == "query" and self._template.query):
                checks.append(_check(subject, "; ".join(wrong), "as documented"))
        if self._content or incoming.body:
            checks.append(self._body(incoming))
        return checks

    def _path(self, matched: Match) -> Check:
        wrong = [text for place, raw in matched.values if (text := self._value(place, raw))]
        where = f"below {matched.base}" if matched.base not in ("", "/") else "as documented"
        return _check("path", "; ".join(wrong), where)

    def _value(self, place: Place, raw: str) -> str:
        if isinstance(place, Source):
            schema = self._sources.get(place)
        else:
            found = self._parameters.get(("path", place.name))
            schema = None if found is None else found.schema
        breach = None if schema is None else schema.breach(read_text(schema.text, raw))
        return f"{place} is {raw!r}: {_without_root(breach)}" if breach else ""

    def _query(self, query: list[tuple[str, str]]) -> Iterator[str]:
        """What the key itself puts into the query."""
        written = "".join("\0" if not isinstance(part, str) else part for part in self._template.query or ())
        for name, value in parse_qsl(written, keep_blank_values=True):
            given = [text for other, text in query if other == name]
            if not given:
                yield f"{name} is missing"
            elif "\0" not in value and value not in given:
                yield f"{name} is {given[0]!r}, and the key says {value!r}"

    def _given(self, places: Mapping[str, list[tuple[str, str]]]) -> Iterator[str]:
        for (place, name), parameter in self._parameters.items():
            if place not in places or (place == "header" and name.lower() in _UNDOCUMENTED):
                continue
            value = read_parameter(_in_lower_case(parameter), places[place])
            if value is MISSING:
                if parameter.required:
                    yield f"{name} is missing"
            elif breach := parameter.schema.breach(value):
                yield f"{name}: {_without_root(breach)}"

    def _body(self, incoming: Incoming) -> Check:
        if not incoming.body:
            missing = "there is none, and the document requires one" if self._body_required else ""
            return _check("body", missing, "none, as the document allows")
        if not self._content:
            return _check("body", "the document declares none", "")
        given = dict(incoming.headers).get("content-type", "")
        media_type = given.partition(";")[0].strip().lower()
        schema = self._content.get(media_type) or self._content.get(f"{media_type.partition('/')[0]}/*")
        schema = schema or self._content.get("*/*")
        if schema is None:
            wrong = f"media type {media_type!r} is not documented (documented: {', '.join(self._content)})"
            return _check("body", wrong, "")
        try:
            return _check(
                "body", schema.breach(self._read(schema, media_type, incoming.body)) or "", "as documented"
            )
        except ValueError as error:
            return _check("body", f"cannot be read as {media_type}: {error}", "")

    def _read(self, schema: Schema, media_type: str, body: bytes) -> Any:
        if is_json(media_type):
            if is_deeper(body, self._depth):
                raise ValueError(f"it holds more than {self._depth} arrays and objects inside one another")
            return from_json(body, allow_inf_nan=False)
        if media_type == _FORM:
            pairs = parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True)
            return read_fields(schema.text, pairs)
        return body.decode("utf-8", "replace")


def _check(subject: str, wrong: str, right: str) -> Check:
    return Check(subject, Finding.WRONG if wrong else Finding.RIGHT, wrong or right)


def _without_root(breach: str) -> str:
    return breach.removeprefix("$: ")


def _cookies(header: str) -> Iterator[tuple[str, str]]:
    for piece in header.split(";"):
        name, sign, value = piece.strip().partition("=")
        if sign:
            yield name, unquote(value)


def _in_lower_case(parameter: CallbackParameter) -> CallbackParameter:
    if parameter.place != "header":
        return parameter
    return CallbackParameter(
        parameter.place,
        parameter.name.lower(),
        parameter.required,
        parameter.schema,
        parameter.explode,
        parameter.style,
    )
