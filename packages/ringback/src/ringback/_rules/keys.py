"""The rules about a callback's key: every value that it needs is declared, safe and there."""

from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import Final

from ringback._expressions import Template
from ringback._openapi.references import follow
from ringback._rules.cases import Case, callback_parameters_of, schema_read_by
from ringback._rules.findings import Finding, error, note, warning
from ringback._rules.pointers import Promise, promise_at
from ringback._sources import Source

__all__ = ["KEY_RULES", "judge_spelling"]

_SECRET_HEADERS: Final = {"authorization", "cookie", "proxy-authorization", "x-api-key"}


def judge_spelling(template: Template) -> Iterator[Finding]:
    wrong = [source.declared for source in template.sources if source.declared != str(source)]
    if wrong:
        verb = "is no runtime expression" if len(wrong) == 1 else "are no runtime expressions"
        yield error(
            "expression-invalid",
            f"{' and '.join(wrong)} {verb} of OpenAPI, so no tool can follow this callback.",
            f"Write {template.published}.",
        )
    elif template.published != template.declared:
        yield error(
            "expression-before-base",
            f"{template.declared!r} puts a path in front of the URL that it is appended to.",
            f"Write {template.published}.",
        )


def _sources_are_declared(case: Case) -> Iterator[Finding]:
    for source in case.template.sources:
        if source.message != "request" or source.place == "body":
            continue
        names = [name for place, name in case.parameters if place == source.place]
        known = {name.lower() for name in names} if source.place == "header" else set(names)
        if (source.name.lower() if source.place == "header" else source.name) in known:
            continue
        close = get_close_matches(source.name, names, 1)
        yield error(
            "source-undeclared",
            f"The key reads {source}, and {case.place.operation_id} declares no {source.place} parameter "
            f"{source.name!r}.",
            f"Did you mean {close[0]!r}?" if close else "Declare it on the operation, or read another value.",
        )


def _sources_are_safe(case: Case) -> Iterator[Finding]:
    for source in case.template.sources:
        secret = source.place == "header" and source.name.lower() in _SECRET_HEADERS
        if (secret or source.place == "url" or (source.place == "body" and not source.pointer)) and str(
            source
        ) not in case.allowed:
            yield error(
                "source-secret",
                f"The key reads {source}, which can carry secrets into a URL and so into logs.",
                "Read one harmless value, such as $request.body#/id.",
            )


def _pointers_lead_somewhere(case: Case) -> Iterator[Finding]:
    for source in case.template.sources:
        if source.place != "body" or not source.pointer:
            continue
        schema = schema_read_by(case, source)
        if schema is None and source.message == "request":
            yield error(
                "source-undeclared",
                f"The key reads {source}, and {case.place.operation_id} declares no JSON body.",
                "Declare the body, or read another value.",
            )
        elif schema is not None:
            yield from _judge_promise(case, source, promise_at(case.document, schema, source.pointer))


def _judge_promise(case: Case, source: Source, promise: Promise) -> Iterator[Finding]:
    is_base = source is case.template.base
    if promise.excluded:
        yield error(
            "source-undeclared",
            f"The key reads {source}, which the body's schema does not have.",
            "Correct the pointer, or add the property to the model.",
        )
    elif not promise.named:
        yield warning(
            "source-undeclared",
            f"The key reads {source}, which the body's schema does not name.",
            "A request without it is refused; add the property to the model.",
        )
    elif promise.types and promise.types <= {"object", "array", "null"}:
        yield error(
            "source-not-a-text",
            f"The key reads {source}, which is {' or '.join(sorted(promise.types))}.",
            "Point to a text, a number or a boolean in it.",
        )
    elif not promise.ensured and not is_base:
        yield warning(
            "source-optional",
            f"The key needs {source}, which a valid request may leave out or set to null.",
            "Require it in the model; a request without it is refused when the callback is bound.",
        )


def _base_is_given(case: Case) -> Iterator[Finding]:
    base = case.template.base
    if not isinstance(base, Source) or base.message != "request" or base.place == "body":
        return
    for holder in (case.place.main_item, case.place.main):
        for node in holder.get("parameters") or []:
            parameter = follow(case.document, node)
            if (parameter.get("in"), parameter.get("name")) == (base.place, base.name) and not parameter.get(
                "required"
            ):
                yield note(
                    "base-optional",
                    f"{base} is optional: without it there is nobody to call, which OpenAPI cannot say.",
                    "Say in the operation's description what happens then.",
                )


def _path_parameters_match(case: Case) -> Iterator[Finding]:
    declared = {
        str(parameter.get("name")): parameter
        for parameter in callback_parameters_of(case)
        if parameter.get("in") == "path"
    }
    for name in case.template.holes:
        if name not in declared:
            yield error(
                "path-parameter-missing",
                f"The key holds {{{name}}}, and the callback has no path parameter {name!r}.",
                f"Declare it, or write an expression: {{$request.query.{name}}}.",
            )
    for name in sorted(set(declared) - set(case.template.holes)):
        yield error(
            "path-parameter-missing",
            f"The callback declares the path parameter {name!r}, and its key does not hold {{{name}}}.",
            "Put it into the key, or remove it.",
        )


def _arguments_do_not_repeat_sources(case: Case) -> Iterator[Finding]:
    names = {
        source.name or (source.pointer[-1] if source.pointer else "") for source in case.template.sources
    }
    for parameter in callback_parameters_of(case):
        name = str(parameter.get("name"))
        if parameter.get("in") == "query" and name in names:
            yield error(
                "argument-repeats-source",
                f"{name!r} is documented as a query parameter of the callback, beside the expression in its "
                "key that is replaced by the same value.",
                f"Remove the argument {name}: the key's value comes from the request.",
            )


KEY_RULES: Final[tuple[Callable[[Case], Iterator[Finding]], ...]] = (
    _sources_are_declared,
    _sources_are_safe,
    _pointers_lead_somewhere,
    _base_is_given,
    _path_parameters_match,
    _arguments_do_not_repeat_sources,
)
