"""The rules that any OpenAPI document with callbacks is judged by."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, Final

from ringback._contract import build_contract
from ringback._errors import InvalidExpression
from ringback._expressions import parse_template
from ringback._openapi.parameters import OWN_HEADERS, SIGNATURE_HEADERS
from ringback._openapi.places import Place, main_parameters, places
from ringback._openapi.references import DanglingReference, look_up, references_in
from ringback._openapi.schemas import InvalidSchema
from ringback._rules.cases import Case, callback_parameters_of
from ringback._rules.findings import Finding, error, warning
from ringback._rules.keys import KEY_RULES, judge_spelling

__all__ = ["judge_document", "judge_id", "judge_place", "operation_ids"]

Document = Mapping[str, Any]

_AUTOMATIC_422: Final = "#/components/schemas/HTTPValidationError"


def judge_document(document: Document, *, allowed: Collection[str] = ()) -> list[Finding]:
    """Every finding in a document of any origin, each with the JSON Pointer of its callback.

    `allowed` are expressions that may be used although they can carry secrets into a URL.
    """
    if not str(document.get("openapi", "")).startswith(("3.0", "3.1", "3.2")):
        named = document.get("openapi") or document.get("swagger") or "no version"
        return [
            error(
                "version-unknown",
                f"This is not a document of OpenAPI 3.0, 3.1 or 3.2 (it names {named!r}).",
                "Convert it first; callbacks came with OpenAPI 3.0.",
            ).at("#")
        ]
    found = list(places(document))
    findings = [
        finding.at(place.pointer)
        for place in found
        for finding in judge_place(document, place, allowed=allowed)
    ]
    said = {finding.message for finding in findings}
    findings += [finding for finding in _dangling_elsewhere(document) if finding.message not in said]
    ids = operation_ids(document, found)
    for place in found:
        name = str(place.operation.get("operationId", ""))
        findings += [one.at(place.pointer) for one in judge_id(name, ids)]
    return findings


def judge_place(
    document: Document, place: Place, *, allowed: Collection[str] = (), dialect: bool = False
) -> Iterator[Finding]:
    """The findings on one callback operation; with `dialect` the tutorial's spelling is no finding."""
    if not place.method:
        yield error(
            "empty-callback",
            f"The callback {place.callback!r} has no operation under {place.key!r}.",
            "Describe the request that is sent there, or remove the key.",
        )
        return
    parameters = main_parameters(document, place)
    try:
        template = parse_template(place.key, parameters=parameters)
    except InvalidExpression as problem:
        yield error("expression-invalid", str(problem), "Correct the callback's key.")
        return
    if not dialect:
        yield from judge_spelling(template)
    case = Case(document, place, template, parameters, allowed)
    for rule in _RULES:
        try:
            yield from list(rule(case))
        except DanglingReference as problem:
            yield _dangling(problem)
            return
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as problem:
            yield error(
                "malformed",
                f"The callback is not written as OpenAPI asks ({type(problem).__name__}: {problem}).",
                "Run a validator for the whole document, such as openapi-spec-validator.",
            )
            return


def _headers_are_free(case: Case) -> Iterator[Finding]:
    for parameter in callback_parameters_of(case):
        name = str(parameter.get("name"))
        if parameter.get("in") == "header" and name.lower() in OWN_HEADERS - SIGNATURE_HEADERS:
            yield error(
                "header-reserved",
                f"The callback declares the header {name!r}, which belongs to HTTP and cannot be chosen.",
                "Give it another name.",
            )


def _answers_are_promised(case: Case) -> Iterator[Finding]:
    responses = case.place.operation.get("responses") or {}
    if not any(str(code).startswith("2") or code == "default" for code in responses):
        yield warning(
            "no-success-response",
            "The callback documents no 2xx response, so the receiver cannot know how to acknowledge it.",
            "Add one, such as 200 with a small body, or 204.",
        )
    if _AUTOMATIC_422 in references_in(responses.get("422")):
        yield warning(
            "automatic-422",
            "The callback documents FastAPI's own 422 answer, which other receivers will not give.",
            "Remove it; Ringback does so in the document that it publishes.",
        )


def _security_is_declared(case: Case) -> Iterator[Finding]:
    schemes = (case.document.get("components") or {}).get("securitySchemes") or {}
    requirements = case.place.operation.get("security") or []
    named = sorted({name for requirement in requirements for name in requirement})
    for name in named:
        if name not in schemes:
            yield error(
                "security-scheme-missing",
                f"The callback requires the security scheme {name!r}, which the document does not define.",
                "Add it to components.securitySchemes.",
            )
    if named:
        yield warning(
            "credentials-not-sent",
            f"The callback asks for credentials ({', '.join(named)}), and a sender has none of its receiver.",
            "Ringback signs every callback instead; remove the security dependency.",
        )


def _no_callbacks_inside(case: Case) -> Iterator[Finding]:
    if case.place.operation.get("callbacks"):
        yield warning(
            "callback-in-callback",
            "The callback declares callbacks itself, which tools refuse or ignore.",
            "Declare them on the operation whose request they follow.",
        )


def _contract_can_be_built(case: Case) -> Iterator[Finding]:
    try:
        build_contract(case.document, case.place)
    except InvalidSchema as problem:
        yield error("schema-invalid", str(problem), "Correct the schema.")


_RULES: Final[tuple[Callable[[Case], Iterator[Finding]], ...]] = (
    *KEY_RULES,
    _headers_are_free,
    _answers_are_promised,
    _security_is_declared,
    _no_callbacks_inside,
    _contract_can_be_built,
)


def operation_ids(document: Document, found: Iterable[Place]) -> Counter[str]:
    """How often each operationId stands in a document, callbacks included."""
    ids = Counter(str(p.operation["operationId"]) for p in found if "operationId" in p.operation)
    paths = document.get("paths")
    for item in paths.values() if isinstance(paths, Mapping) else ():
        for operation in item.values() if isinstance(item, Mapping) else ():
            if isinstance(operation, Mapping) and "operationId" in operation:
                ids[str(operation["operationId"])] += 1
    return ids


def judge_id(name: str, ids: Mapping[str, int]) -> Iterator[Finding]:
    """The finding on an operationId that others have too; `ids` are those of `operation_ids`."""
    if ids.get(name, 0) > 1:
        yield error(
            "operation-id-duplicate",
            f"The operationId {name!r} stands {ids[name]} times in the document.",
            "Give each operation its own.",
        )


def _dangling_elsewhere(document: Document) -> Iterator[Finding]:
    for reference in sorted(set(references_in(document))):
        if reference.startswith("#"):
            try:
                look_up(document, reference)
            except DanglingReference as problem:
                yield _dangling(problem).at("#")


def _dangling(problem: DanglingReference) -> Finding:
    return error("reference-dangling", str(problem), "Tools refuse the document as it is.")
