"""The contract: one declared callback as its OpenAPI document has it, the same for everyone."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ringback._errors import ContractBreach, UnusableValue
from ringback._expressions import Template, fill, parse_template
from ringback._openapi.answer import Answer, AnswerReader, declared_responses
from ringback._openapi.fingerprint import fingerprint_of
from ringback._openapi.parameters import OWN_HEADERS, callback_parameters
from ringback._openapi.payload import Arguments, Payload, PayloadWriter, PlainArguments, declared_body
from ringback._openapi.places import Place, main_parameters, places
from ringback._rules.findings import Finding
from ringback._types import Exchange
from ringback._urls import MAX_URL_LENGTH, Url

__all__ = ["Answer", "Contract", "Contracts", "Payload", "build_contract", "read_document"]


@dataclass(frozen=True, slots=True, eq=False)
class Contract:
    """One declared callback.

    `operation` is the operationId of the request that it answers, `callback` its own name, `method` in upper
    case. `shape` is what sender and receiver agree on, as self-contained JSON; `fingerprint` is its hash,
    which changes with meaning and not with words. `declared_at` is ``file:line``, empty for a contract read
    from a document, whose `function` is None.
    """

    operation: str
    callback: str
    method: str
    template: Template
    fingerprint: str
    shape: Mapping[str, Any] = field(repr=False)
    writer: PayloadWriter = field(repr=False)
    reader: AnswerReader = field(repr=False)
    declared_at: str = ""
    function: Callable[..., Any] | None = None

    def url(self, exchange: Exchange) -> Url | None:
        """The URL to call, or None where the exchange names nobody; raises `UnusableValue`."""
        return self.template.evaluate(exchange)

    def dump(self, *args: Any, **kwargs: Any) -> Payload:
        """Freeze a payload from the arguments of the declared function.

        Raises `ContractBreach` where it does not match the published document.
        """
        try:
            return self.writer.write(args, kwargs)
        except ContractBreach as error:
            raise ContractBreach(f"{self.callback}: {error}") from error

    def address(self, bound: Url, payload: Payload) -> Url:
        """The URL of one delivery: the bound one with the payload's own path and query parameters.

        Raises `ContractBreach` where a value cannot stand in a path.
        """
        if self.template.holes:
            try:
                bound = fill(bound, dict(payload.path), self.template)
            except UnusableValue as error:
                raise ContractBreach(f"{self.callback}: {error}. Nothing was stored.") from None
        if payload.query:
            bound = replace(bound, query=f"{bound.query}&{payload.query}" if bound.query else payload.query)
        if (length := len(str(bound))) > MAX_URL_LENGTH:
            raise ContractBreach(
                f"{self.callback}: with this payload's parameters the URL has {length} characters; at most "
                f"{MAX_URL_LENGTH} are allowed. Nothing was stored."
            )
        return bound

    def check(self, status_code: int, headers: Sequence[tuple[str, str]], body: bytes) -> Answer:
        """Judge an answer by the document. Never raises."""
        return self.reader.check(status_code, headers, body)


class Contracts:
    """All contracts of an app or a document, and what the start-up check remarked on them."""

    def __init__(self, contracts: Sequence[Contract] = (), findings: Sequence[Finding] = ()) -> None:
        self.findings = tuple(findings)
        self._operations: dict[str, dict[str, Contract]] = {}
        self._functions: dict[Callable[..., Any], list[Contract]] = {}
        for contract in contracts:
            self._operations.setdefault(contract.operation, {})[contract.callback] = contract
            if contract.function is not None:
                self._functions.setdefault(contract.function, []).append(contract)

    def __iter__(self) -> Iterator[Contract]:
        return (contract for named in self._operations.values() for contract in named.values())

    def __len__(self) -> int:
        return sum(map(len, self._operations.values()))

    def of_operation(self, operation: str) -> dict[str, Contract]:
        """The callbacks of one operation by name; empty where it declares none."""
        return dict(self._operations.get(operation, {}))

    def of_function(self, function: Callable[..., Any]) -> list[Contract]:
        """Every contract that a function declares: one for each operation that lists it."""
        return list(self._functions.get(function, ()))

    def get(self, operation: str, callback: str) -> Contract | None:
        """One contract by the names that are stored with targets and deliveries."""
        return self._operations.get(operation, {}).get(callback)


def build_contract(
    document: Mapping[str, Any],
    place: Place,
    *,
    arguments: Arguments | None = None,
    models: Mapping[str, Any] | None = None,
    declared_at: str = "",
    function: Callable[..., Any] | None = None,
    operation_id: str | None = None,
) -> Contract:
    """The contract of one callback operation of a document.

    `arguments` reads what `send` is given and `models` (by status) what answers are read into; without them
    both are JSON values.
    """
    operation = place.operation
    template = parse_template(place.key, parameters=main_parameters(document, place))
    template = replace(template, declared=str(operation.get("x-ringback-declared", place.key)))
    parameters = callback_parameters(document, place.item, operation)
    body = declared_body(document, operation)
    responses = declared_responses(document, operation, models or {})
    shape = {
        "method": place.method.upper(),
        "body": None
        if body is None
        else {"media_type": body.media_type, "required": body.required, "schema": body.schema.text},
        "parameters": [
            p.shape
            for p in parameters.values()
            if not (p.place == "header" and p.name.lower() in OWN_HEADERS)  # the delivery's own
        ],
        "responses": {
            code: {name: schema.text for name, schema in response.content.items()}
            for code, response in responses.items()
        },
    }
    return Contract(
        operation=operation_id or place.operation_id,
        callback=place.callback,
        method=place.method.upper(),
        template=template,
        fingerprint=fingerprint_of(shape),
        shape=shape,
        writer=PayloadWriter(body, parameters, arguments or PlainArguments(parameters)),
        reader=AnswerReader(responses),
        declared_at=declared_at,
        function=function,
    )


def read_document(document: Mapping[str, Any]) -> Contracts:
    """The contracts of any OpenAPI document, whose payloads and answers are JSON values.

    Raises `RingbackError` at the first callback that cannot be read; `ringback lint` lists them all.
    """
    return Contracts([build_contract(document, place) for place in places(document)])
