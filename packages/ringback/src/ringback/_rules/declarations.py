"""The rules about how callbacks are declared in FastAPI: what it would lose, or publish wrongly."""

import inspect
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema

from ringback._openapi.answer import is_json
from ringback._openapi.parameters import OWN_HEADERS, SIGNATURE_HEADERS
from ringback._openapi.references import rewrite
from ringback._rules.findings import Finding, error, note

if TYPE_CHECKING:
    from ringback._declarations import Declaration

__all__ = ["judge_declaration"]

MAX_NAME_LENGTH: Final = 255
"""Characters of an operationId or a callback's name, as the tables have them."""

_PLACES: Final = ("path", "query", "header", "cookie", "body")
_FORM: Final = "application/x-www-form-urlencoded"


def judge_declaration(declaration: "Declaration", others: Sequence["Declaration"]) -> Iterator[Finding]:
    """The findings on one declared callback; `others` are all that the app declares, it among them."""
    siblings = [o for o in others if _is_sibling(o, declaration)]
    yield from _names_are_unique(declaration, siblings)
    yield from _names_can_be_kept(declaration)
    yield from _one_method(declaration)
    yield from _is_documented(declaration)
    yield from _everything_can_be_sent(declaration)
    yield from _body_can_be_written(declaration)
    yield from _modes_agree(declaration)


def _is_sibling(other: "Declaration", declaration: "Declaration") -> bool:
    same = other.operation == declaration.operation and other.endpoint is declaration.endpoint
    return same and other is not declaration


def _names_are_unique(declaration: "Declaration", siblings: Sequence["Declaration"]) -> Iterator[Finding]:
    for other in siblings:
        if other.name == declaration.name:
            yield error(
                "callback-name-duplicate",
                f"Another callback of {declaration.operation} is called {declaration.name!r} too "
                f"({other.declared_at}). FastAPI publishes only the last one and loses the others.",
                "Give each function its own name, or pass name=... to its decorator.",
            )
        elif other.function is declaration.function:
            yield error(
                "callback-registered-twice",
                f"The function is declared twice on {declaration.operation} (as {other.name!r} too), so "
                "send(...) could mean either.",
                "Declare one function for each callback.",
            )


def _names_can_be_kept(declaration: "Declaration") -> Iterator[Finding]:
    for what, name in (("operationId", declaration.operation), ("callback's name", declaration.name)):
        if len(name) > MAX_NAME_LENGTH:
            yield error(
                "name-too-long",
                f"The {what} has {len(name)} characters, and targets keep at most {MAX_NAME_LENGTH}: "
                f"{name[:40]}….",
                "Give it a shorter operation_id or name.",
            )


def _one_method(declaration: "Declaration") -> Iterator[Finding]:
    methods = declaration.route.methods or ()
    if len(methods) > 1:
        yield error(
            "methods-several",
            f"It is declared for {_and(methods)} at once. FastAPI gives both one operationId, which differs "
            "from process to process, and send(...) could mean either.",
            "Declare one function for each method.",
        )
    if len(declaration.methods) > 1:
        yield error(
            "methods-several",
            f"Its operation takes {_and(declaration.methods)} at once, so its operationId stands twice in "
            "the document.",
            "Declare the operation once for each method, and callbacks= on one of them.",
        )


def _is_documented(declaration: "Declaration") -> Iterator[Finding]:
    if declaration.hidden:
        whose = "the callback" if not declaration.route.include_in_schema else "its operation"
        yield error(
            "not-documented",
            f"include_in_schema=False hides {whose}, so nobody can know what to build.",
            "Remove include_in_schema=False.",
        )


def _everything_can_be_sent(declaration: "Declaration") -> Iterator[Finding]:
    dependant = declaration.route.dependant
    fields = {field.name for place in _PLACES for field in getattr(dependant, f"{place}_params")}
    for name, parameter in inspect.signature(declaration.function).parameters.items():
        if name not in fields and parameter.default is inspect.Parameter.empty:
            yield error(
                "argument-not-sent",
                f"Its argument {name!r} is neither body nor parameter of the callback, so send(...) would "
                "ask for a value that goes nowhere.",
                "Remove it; what belongs to every callback goes into APIRouter(dependencies=[...]).",
            )
    for field in dependant.header_params:
        if field.alias.lower() in SIGNATURE_HEADERS:
            yield error(
                "header-reserved",
                f"Its argument {field.name!r} is the header {field.alias!r}, which each delivery writes "
                "itself.",
                "Remove the argument; Ringback documents the header.",
            )
    for owner, place, field in _of_dependencies(dependant):
        reserved = place == "header" and field.alias.replace("_", "-").lower() in OWN_HEADERS
        if field.field_info.is_required() and not reserved:
            yield error(
                "dependency-not-sent",
                f"Its dependency {owner} needs the {place} parameter {field.alias!r}, which send(...) cannot "
                "give.",
                f"Make {field.alias!r} a parameter of the callback's function, or give it a default.",
            )


def _of_dependencies(dependant: Any) -> Iterator[tuple[str, str, Any]]:
    for dependency in dependant.dependencies:
        owner = getattr(dependency.call, "__name__", type(dependency.call).__name__)
        for place in _PLACES:
            for field in getattr(dependency, f"{place}_params"):
                yield owner, place, field
        yield from _of_dependencies(dependency)


def _body_can_be_written(declaration: "Declaration") -> Iterator[Finding]:
    body: Any = declaration.route.body_field
    if body is None:
        return
    for method in sorted({"OPTIONS", "TRACE"} & (declaration.route.methods or set())):
        yield error(
            "body-not-documented",
            f"A request with {method} has no body in the document, so its body could not be sent.",
            "Declare another method, or remove the body.",
        )
    media_type = body.field_info.media_type.lower()
    if not (is_json(media_type) or media_type == _FORM or media_type.startswith("text/")):
        yield error(
            "media-type-unknown",
            f"Its body is {media_type}, which cannot be written from a model.",
            f"Declare JSON (any +json type), {_FORM}, or text/plain.",
        )


def _modes_agree(declaration: "Declaration") -> Iterator[Finding]:
    bodies: list[Any] = list(declaration.route.dependant.body_params)
    for field in bodies:
        adapter: TypeAdapter[Any] = TypeAdapter(field.field_info.annotation)
        try:
            read, written = (_meaning(adapter, mode) for mode in ("validation", "serialization"))
        except PydanticInvalidForJsonSchema:
            return  # the document cannot be made either; FastAPI says so
        if read == written:
            continue
        if not declaration.separate_schemas:
            yield error(
                "modes-differ",
                f"{field.name!r} is written differently from how it is read (an alias, a computed field or a "
                "serializer), and separate_input_output_schemas=False publishes only how it is read.",
                "Remove separate_input_output_schemas=False from FastAPI(...).",
            )
        else:
            yield note(
                "modes-differ",
                f"{field.name!r} is written differently from how it is read (an alias, a computed field or a "
                "serializer). FastAPI alone would publish how it is read; Ringback publishes how it is sent.",
                "Nothing to do.",
            )


def _meaning(adapter: TypeAdapter[Any], mode: Any) -> Any:
    """The schema without what may differ: which properties must be there, and words."""
    words = {"required", "title", "description", "default"}
    schema = adapter.json_schema(mode=mode)
    return rewrite(schema, lambda part: {key: value for key, value in part.items() if key not in words})


def _and(methods: Collection[str]) -> str:
    return " and ".join(sorted(methods))
