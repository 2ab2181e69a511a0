"""The callbacks of any document by the names that commands take, and what their expressions read."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from ringback._contract import Contract, build_contract
from ringback._errors import RingbackError
from ringback._openapi.answer import is_json
from ringback._openapi.places import Place, places
from ringback._openapi.references import DanglingReference, bundle, follow
from ringback._sources import Source

__all__ = ["Declared", "NoSuchCallback", "choose", "names_of", "schema_of_source"]


_DEEPEST: Final = 4
_MOST_CHOICES: Final = 16


class NoSuchCallback(RingbackError):
    """A document has no callback, or not the one that was asked for, or several to choose from."""


@dataclass(frozen=True, slots=True)
class Declared:
    """One callback operation of a document. `name` is what ``--callback`` takes."""

    name: str
    place: Place
    contract: Contract

    @property
    def is_ringbacks(self) -> bool:
        """Whether Ringback published it: then message ids are bound to the path."""
        return "x-ringback-declared" in self.place.operation


@dataclass(frozen=True, slots=True)
class _Candidate:
    name: str
    place: Place
    contract: Contract | RingbackError

    @property
    def promise(self) -> object:
        """Equal where one handler serves both, as for a router that two operations list."""
        if isinstance(self.contract, RingbackError):
            return self.place.pointer
        return self.contract.template.published, self.contract.method, self.contract.fingerprint


def choose(document: Mapping[str, Any], wanted: Sequence[str] = ()) -> list[Declared]:
    """The callbacks of these names, or all of them; one that several operations share is there once.

    Raises `NoSuchCallback`, and `RingbackError` for a chosen one that cannot be read.
    """
    candidates = {candidate.name: candidate for candidate in _named(document)}
    if not candidates:
        raise NoSuchCallback(
            "The document declares no callbacks: no operation in it has a field `callbacks`. Name the "
            "document of the API that will call you."
        )
    chosen: list[Declared] = []
    for name in wanted or candidates:
        candidate = candidates.get(name)
        if candidate is None:
            raise NoSuchCallback(f"There is no callback {name!r}. There is {_listed(list(candidates))}.")
        if isinstance(candidate.contract, RingbackError):
            raise candidate.contract
        chosen.append(Declared(name, candidate.place, candidate.contract))
    return chosen


def names_of(document: Mapping[str, Any]) -> list[str]:
    """What `choose` can be asked for."""
    return [candidate.name for candidate in _named(document)]


def schema_of_source(document: Mapping[str, Any], place: Place, source: Source) -> dict[str, Any]:
    """The self-contained schema of what an expression reads; empty where the document does not say."""
    try:
        found = _declared_schema(document, place, source)
        for token in source.pointer:
            found = _step(document, found, token, _DEEPEST)
        return bundle(document, found) if isinstance(found, Mapping) else {}
    except DanglingReference:
        return {}


def _named(document: Mapping[str, Any]) -> list[_Candidate]:
    different: list[_Candidate] = []
    for candidate in _candidates(document):
        if not any(c.name == candidate.name and c.promise == candidate.promise for c in different):
            different.append(candidate)
    for add in (_with_operation, _with_method, _with_key):
        names = [candidate.name for candidate in different]
        different = [add(c) if names.count(c.name) > 1 else c for c in different]
    return list({candidate.name: candidate for candidate in different}.values())


def _candidates(document: Mapping[str, Any]) -> Iterator[_Candidate]:
    for place in places(document):
        if place.method:
            contract: Contract | RingbackError
            try:
                contract = build_contract(document, place)
            except RingbackError as error:
                contract = error
            yield _Candidate(place.callback, place, contract)


def _with_operation(candidate: _Candidate) -> _Candidate:
    return replace(candidate, name=f"{candidate.place.operation_id}.{candidate.place.callback}")


def _with_method(candidate: _Candidate) -> _Candidate:
    return replace(candidate, name=f"{candidate.name}.{candidate.place.method}")


def _with_key(candidate: _Candidate) -> _Candidate:
    return replace(candidate, name=f"{candidate.name}.{candidate.place.key}")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names)


def _declared_schema(document: Mapping[str, Any], place: Place, source: Source) -> Any:
    if source.place == "body":
        holder = place.main.get("requestBody") if source.message == "request" else _first_answer(place)
        content = (follow(document, holder) or {}).get("content", {})
        media: Any = next((value for name, value in content.items() if is_json(name.lower())), {})
        return follow(document, media).get("schema")
    for owner in (place.main, place.main_item):
        for node in owner.get("parameters") or []:
            parameter = follow(document, node)
            if (parameter.get("in"), parameter.get("name")) == (source.place, source.name):
                return parameter.get("schema")
    return None


def _first_answer(place: Place) -> Any:
    responses = place.main.get("responses") or {}
    return next((node for code, node in responses.items() if str(code).startswith("2")), None)


def _step(document: Mapping[str, Any], schema: Any, token: str, depth: int) -> Any:
    """The schema one token of a JSON Pointer further; None where it is not declared."""
    schema = follow(document, schema)
    if not isinstance(schema, Mapping) or not depth:
        return None
    properties = schema.get("properties") or {}
    if token in properties:
        return properties[token]
    if token.isdecimal() and "items" in schema:
        return schema["items"]
    inner = [part for word in ("allOf", "anyOf", "oneOf") for part in schema.get(word) or []]
    found = (_step(document, part, token, depth - 1) for part in inner[:_MOST_CHOICES])
    return next((part for part in found if part is not None), None)
