"""What one `send` puts on the wire: frozen bytes, headers, query, checked against the document."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol
from urllib.parse import quote, urlencode

from pydantic_core import from_json, to_json

from ringback._errors import ContractBreach
from ringback._openapi.answer import is_json
from ringback._openapi.parameters import OWN_HEADERS, CallbackParameter, query_text
from ringback._openapi.references import follow
from ringback._openapi.schemas import Schema, compile_schema, json_path
from ringback._sources import Parameter

__all__ = ["Arguments", "Body", "Payload", "PayloadWriter", "PlainArguments", "declared_body"]


@dataclass(frozen=True, slots=True)
class Payload:
    """The frozen request of one callback, but for its URL.

    `query` is percent-encoded text to append to the target's own, `path` the texts of the callback's own path
    parameters; ``contract.address(url, payload)`` puts both in. `value` is the body as a JSON value, `given`
    are the parameters as JSON values.
    """

    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    query: str | None = None
    path: Mapping[str, str] = field(default_factory=dict)
    value: Any = None
    given: Mapping[Parameter, Any] = field(default_factory=dict)


class Arguments(Protocol):
    """How the arguments of `send` become the values that the document speaks of."""

    def read(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[bytes | None, dict[Parameter, Any]]:
        """The body as JSON (None for no body) and each given parameter as a JSON value."""
        ...


class PlainArguments:
    """JSON values, for contracts of somebody else's document: the body first, parameters by keyword."""

    def __init__(self, parameters: Mapping[Parameter, CallbackParameter]) -> None:
        self._places = {name: (place, name) for place, name in parameters}

    def read(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[bytes | None, dict[Parameter, Any]]:
        """See `Arguments.read`."""
        unknown = sorted(set(kwargs) - set(self._places))
        if len(args) > 1 or unknown:
            raise ContractBreach(
                f"Give one body and these parameters by keyword: {', '.join(self._places) or 'none'}"
                + (f"; not {', '.join(unknown)}." if unknown else ".")
            )
        body = to_json(args[0], inf_nan_mode="constants") if args else None
        return body, {self._places[name]: value for name, value in kwargs.items()}


@dataclass(frozen=True, slots=True)
class Body:
    """The declared request body: its first media type, whether it must be there, its schema."""

    media_type: str
    required: bool
    schema: Schema

    def check(self, text: bytes) -> Any:
        """The JSON value of `text`; raises `ContractBreach` where it breaks the document."""
        try:
            value = from_json(text, allow_inf_nan=False)
        except ValueError as error:
            raise ContractBreach(
                f"The payload cannot be written as JSON: {error}. Nothing was stored."
            ) from None
        if breach := self.schema.breach(value):
            raise ContractBreach(
                f"The payload does not match the published document at {breach}. Nothing was stored; send "
                "what the document says, or change the model that it is made from."
            )
        return value

    def encode(self, text: bytes, value: Any) -> bytes:
        """The bytes on the wire."""
        if is_json(self.media_type):
            return text
        if self.media_type == "application/x-www-form-urlencoded":
            return urlencode(self._fields(value)).encode("ascii")
        if isinstance(value, str):
            return value.encode()
        raise ContractBreach(
            f"Bodies of type {self.media_type} cannot be written yet. Declare JSON or a form."
        )

    def _fields(self, value: Any) -> list[tuple[str, str]]:
        if not isinstance(value, Mapping):
            raise ContractBreach("A form needs named fields, and the payload has none.")
        seen = {name: item for name, item in value.items() if item is not None and item != []}
        lost = [name for name, item in seen.items() if isinstance(item, list) and None in item]
        breach = self.schema.breach(seen) if len(seen) < len(value) else None
        if lost or breach:
            raise ContractBreach(
                "A form cannot carry null nor an empty list, and without them the payload does not match the "
                f"published document at {breach or json_path(list(lost))}. Nothing was stored."
            )
        return [
            (name, one if isinstance(one, str) else to_json(one).decode())
            for name, item in seen.items()
            for one in (item if isinstance(item, list) else [item])
        ]


class PayloadWriter:
    """Makes the frozen request from the arguments of `send`."""

    __slots__ = ("_arguments", "_body", "_content_type", "_parameters", "_required")

    def __init__(
        self, body: Body | None, parameters: Mapping[Parameter, CallbackParameter], arguments: Arguments
    ) -> None:
        self._body = body
        self._parameters = parameters
        self._arguments = arguments
        self._content_type = () if body is None else (("content-type", body.media_type),)
        self._required = [
            key
            for key, p in parameters.items()
            if p.required and not (key[0] == "header" and key[1].lower() in OWN_HEADERS)
        ]

    def write(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Payload:
        """Check, encode and freeze; raises `ContractBreach`."""
        text, values = self._arguments.read(args, kwargs)
        payload = self._write_body(text)
        if not values and not self._required:
            return payload
        for place, name in self._required:
            if (place, name) not in values:
                raise ContractBreach(f"The {place} parameter {name!r} is required and was not given.")
        return self._with_parameters(payload, values)

    def _write_body(self, text: bytes | None) -> Payload:
        declared = self._body
        if text is None:
            if declared is not None and declared.required:
                raise ContractBreach("A body is required by the document, and none was given.")
            return Payload(b"")
        if declared is None:
            raise ContractBreach("The document declares no body, and one was given.")
        value = declared.check(text)
        return Payload(declared.encode(text, value), self._content_type, value=value)

    def _with_parameters(self, payload: Payload, values: dict[Parameter, Any]) -> Payload:
        written: dict[str, list[tuple[str, str]]] = {"header": [], "query": [], "path": [], "cookie": []}
        for key, value in values.items():
            written[key[0]] += self._parameters[key].write(value)
        headers = [(name.lower(), text) for name, text in written["header"]]
        if written["cookie"]:
            headers.append(("cookie", "; ".join(f"{name}={quote(text)}" for name, text in written["cookie"])))
        return replace(
            payload,
            headers=(*payload.headers, *headers),
            query=query_text(written["query"]),
            path=dict(written["path"]),
            given=values,
        )


def declared_body(document: Mapping[str, Any], operation: Mapping[str, Any]) -> Body | None:
    """The request body of a callback operation, compiled; JSON is taken where several are offered."""
    node = follow(document, operation.get("requestBody"))
    content = (node or {}).get("content", {})
    if not content:
        return None
    media_type = next((name for name in content if is_json(name.lower())), next(iter(content)))
    schema = compile_schema(document, follow(document, content[media_type]).get("schema"))
    return Body(media_type.lower(), bool(node.get("required")), schema)
