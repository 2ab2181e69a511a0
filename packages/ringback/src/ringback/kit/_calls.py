"""Calls of one callback, made from examples: the URL below a receiver's own, and payloads as documented."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ringback._errors import ContractBreach, RingbackError
from ringback._openapi.parameters import OWN_HEADERS
from ringback._openapi.payload import Body, Payload, declared_body
from ringback._openapi.schemas import Schema
from ringback._sources import Source
from ringback._types import Exchange
from ringback._urls import Url
from ringback.kit._declared import Declared, schema_of_source
from ringback.kit._examples import example, merged

__all__ = ["Caller", "NoExample"]

_PLAIN: Final = "example"


class NoExample(RingbackError):
    """No value could be made that the document accepts."""


@dataclass
class Caller:
    """Makes calls of `declared` to a receiver whose base URL is `base`.

    `values` are texts for the expressions in the callback's key, by the name at their end (``id`` for
    ``$request.body#/id``); what is not given there is made from the document.
    """

    document: Mapping[str, Any]
    declared: Declared
    base: Url
    values: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.body: Body | None = declared_body(self.document, self.declared.place.operation)
        known = {_name(source) for source in self._sources}
        unknown = sorted(set(self.values) - known)
        if unknown:
            raise RingbackError(
                f"The URL of {self.declared.name!r} has no value {unknown[0]!r}; it has "
                f"{', '.join(sorted(known)) or 'none at all'}."
            )

    @property
    def free_texts(self) -> list[str]:
        """The values in the URL that may be any text, as far as the document says."""
        return [
            _name(source)
            for source in self._sources
            if source.place != "url" and _name(source) not in self.values and self._is_free(source)
        ]

    def payload(self, *body: Any) -> Payload:
        """The frozen request with this body, or with an example of one; parameters are examples."""
        if not body and self.body is not None:
            body = (self.example_of(self.body.schema, "the body"),)
        return self.declared.contract.dump(*body, **self._parameters(required=True))

    def with_optional(self, payload: Payload) -> Payload | None:
        """The same with examples of the parameters that may be left out; None where there are none."""
        optional = self._parameters(required=False)
        if not optional:
            return None
        body = () if self.body is None else (payload.value,)
        try:
            return self.declared.contract.dump(*body, **self._parameters(required=True), **optional)
        except ContractBreach:  # an example that no header or query can carry
            return None

    def url(self, payload: Payload, **changed: str) -> Url:
        """Where the payload goes; `changed` are other values for the key's expressions."""
        contract = self.declared.contract
        return contract.address(contract.template.extend(self.base, self._exchange(changed)), payload)

    def example_of(self, schema: Schema, what: str) -> Any:
        """A value that the schema accepts; raises `NoExample`."""
        try:
            return example(schema)
        except ValueError:
            raise NoExample(
                f"{self.declared.name}: no example of {what} could be made that the document accepts. Write "
                "one into its schema, under `examples`."
            ) from None

    @property
    def _sources(self) -> list[Source]:
        template = self.declared.contract.template
        return [source for source in dict.fromkeys(template.sources) if source is not template.base]

    def _parameters(self, *, required: bool) -> dict[str, Any]:
        shape = self.declared.contract.shape["parameters"]
        return {
            one["name"]: self.example_of(Schema(one["schema"]), f"the parameter {one['name']!r}")
            for one in shape
            if one["required"] is required
            and not (one["in"] == "header" and one["name"].lower() in OWN_HEADERS)
        }

    def _is_free(self, source: Source) -> bool:
        schema = schema_of_source(self.document, self.declared.place, source)
        node = merged(schema, schema)
        return not schema or (
            node.get("type") == "string" and not set(node) & {"enum", "const", "format", "pattern"}
        )

    def _exchange(self, changed: Mapping[str, str]) -> Exchange:
        query: dict[str, Any] = {}
        path: dict[str, Any] = {}
        headers: dict[str, Any] = {}
        bodies: dict[str, Any] = {"request": {}, "response": {}}
        answered: dict[str, Any] = {}
        places = {"query": query, "path": path}
        for source in self._sources:
            value = changed.get(_name(source)) or self.values.get(_name(source)) or self._value(source)
            if source.place == "body":
                bodies[source.message] = _put(bodies[source.message], source.pointer, value)
            elif source.place == "header":
                (headers if source.message == "request" else answered)[source.name] = value
            elif source.place in places:
                places[source.place][source.name] = value
        return Exchange(
            query=query,
            path=path,
            headers=headers,
            body=bodies["request"],
            url="https://api.example.com/",
            method=self.declared.place.main_method.upper(),
            status_code=200,
            response_headers=answered,
            response=bodies["response"],
        )

    def _value(self, source: Source) -> Any:
        schema = schema_of_source(self.document, self.declared.place, source)
        node = merged(schema, schema)
        if not schema or (node.get("type") == "string" and not set(node) - {"type", "title", "description"}):
            return _PLAIN
        value = self.example_of(Schema(schema), str(source))
        return value if isinstance(value, int | float | str) and value != "" else _PLAIN


def _name(source: Source) -> str:
    return source.name or (source.pointer or (source.place,))[-1]


def _put(root: Any, tokens: tuple[str, ...], value: Any) -> Any:
    """The JSON value in which a pointer of these tokens finds `value`."""
    if not tokens:
        return value
    if tokens[0].isdecimal() and len(tokens[0]) < 3:
        items = root if isinstance(root, list) else []
        items += [None] * (int(tokens[0]) + 1 - len(items))
        items[int(tokens[0])] = _put(items[int(tokens[0])], tokens[1:], value)
        return items
    fields = root if isinstance(root, dict) else {}
    fields[tokens[0]] = _put(fields.get(tokens[0], {}), tokens[1:], value)
    return fields
