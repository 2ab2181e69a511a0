"""What a receiver has to implement for each callback: route, parameters, body and answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from urllib.parse import unquote

from ringback._errors import RingbackError
from ringback._expressions import Hole, Template
from ringback._openapi.answer import declared_responses, is_json
from ringback._openapi.parameters import OWN_HEADERS, CallbackParameter, callback_parameters
from ringback._openapi.payload import declared_body
from ringback._openapi.schemas import Schema
from ringback._sources import Source
from ringback.kit._declared import Declared, schema_of_source
from ringback.kit._examples import merged
from ringback.kit.scaffold._literals import literal
from ringback.kit.scaffold._models import ModelSet
from ringback.kit.scaffold._names import class_name, function_name, kebab

__all__ = ["Answer", "Body", "Endpoint", "Parameter", "endpoints"]

_SCALARS: Final = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}
_TEXTS: Final = {"uuid": "UUID", "date-time": "datetime", "date": "date"}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a handler: where it comes from (path, query, header, cookie) and its type."""

    python: str
    place: str
    name: str
    annotation: str
    required: bool
    schema: Schema | None = None


@dataclass(frozen=True, slots=True)
class Body:
    """How the event arrives; `model` is its class, or ``Any``."""

    kind: Literal["json", "form", "raw"]
    model: str
    required: bool
    media_type: str
    schema: Schema


@dataclass(frozen=True, slots=True)
class Answer:
    """The first success that the document declares; without a `schema` it has no body."""

    status: int
    model: str = ""
    media_type: str = ""
    schema: Schema | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One callback as the receiver's route. `base` is the part of the path that belongs to the base URL."""

    declared: Declared
    function: str
    method: str
    base: str
    route: str
    answer: Answer
    body: Body | None = None
    parameters: tuple[Parameter, ...] = field(default=())

    @property
    def path(self) -> str:
        """The whole route."""
        return self.base + self.route


def endpoints(document: Mapping[str, Any], chosen: Sequence[Declared], models: ModelSet) -> list[Endpoint]:
    """The routes for these callbacks; raises `RingbackError` where one receiver cannot tell two apart."""
    made: list[Endpoint] = []
    for declared in chosen:
        base = _base(declared, chosen)
        endpoint = _endpoint(document, declared, base, models, [e.function for e in made])
        same = [e for e in made if (e.method, e.path) == (endpoint.method, endpoint.path)]
        if same and same[0].declared.place.main is declared.place.main:
            raise RingbackError(
                f"{same[0].declared.name!r} and {declared.name!r} are both sent as {endpoint.method} to one "
                "URL, so no route can tell them apart. Choose one with --callback."
            )
        if same:
            base = f"/{kebab(declared.name)}"
            endpoint = _endpoint(document, declared, base, models, [e.function for e in made])
        made.append(endpoint)
    return made


def _base(declared: Declared, chosen: Sequence[Declared]) -> str:
    """Where nothing follows the base URL, it has a path of its own, so that several can be told apart."""
    template = declared.contract.template
    shared = [d.contract.template for d in chosen if d.contract.template.base == template.base]
    if not isinstance(template.base, Source) or all(one.path for one in shared):
        return ""
    return "/" + kebab(template.base.name or (template.base.pointer or ("callback",))[-1])


def _endpoint(
    document: Mapping[str, Any], declared: Declared, base: str, models: ModelSet, functions: Sequence[str]
) -> Endpoint:
    place, template = declared.place, declared.contract.template
    function = function_name(declared.name, functions)
    parameters: list[Parameter] = []
    own = callback_parameters(document, place.item, place.operation)
    route = _route(document, declared, own, parameters)
    parameters += _from_query(document, declared, template, parameters)
    for (where, name), one in own.items():
        is_ours = where == "header" and name.lower() in OWN_HEADERS
        if where != "path" and not is_ours:
            taken = [p.python for p in parameters]
            python = function_name(name, taken, context=where)
            annotation = _annotation(one.schema.text, one.explode and where == "query")
            parameters.append(Parameter(python, where, name, annotation, one.required, one.schema))
    return Endpoint(
        declared=declared,
        function=function,
        method=declared.contract.method,
        base=base,
        route=route or ("" if base else "/"),
        answer=_answer(document, declared, models),
        body=_body(document, declared, models),
        parameters=tuple(parameters),
    )


def _route(
    document: Mapping[str, Any],
    declared: Declared,
    own: Mapping[tuple[str, str], CallbackParameter],
    parameters: list[Parameter],
) -> str:
    """The route's text; the parameters in it are added to `parameters`."""
    route = ""
    for part in declared.contract.template.path:
        if isinstance(part, str):
            route += unquote(part)
            if "{" in route.rpartition("}")[2]:
                raise RingbackError(
                    f"{declared.name}: FastAPI has no route for a path with a brace in it: {route!r}."
                )
            continue
        name, schema = _value(document, declared, part, own)
        before = next((word for word in reversed(route.split("/")) if word and "{" not in word), "")
        python = function_name(name, [p.python for p in parameters], context=before)
        annotation = _annotation(schema, False).removesuffix(" | None")
        parameters.append(Parameter(python, "path", python, annotation, True, Schema(dict(schema))))
        route += f"{{{python}}}"
    return route


def _value(
    document: Mapping[str, Any],
    declared: Declared,
    part: Source | Hole,
    own: Mapping[tuple[str, str], CallbackParameter],
) -> tuple[str, Mapping[str, Any]]:
    if isinstance(part, Hole):
        parameter = own.get(("path", part.name))
        return part.name, parameter.schema.text if parameter else {}
    name = part.name or next((token for token in reversed(part.pointer) if not token.isdecimal()), part.place)
    return name, schema_of_source(document, declared.place, part)


def _from_query(
    document: Mapping[str, Any], declared: Declared, template: Template, others: Sequence[Parameter]
) -> list[Parameter]:
    """The parameters that the key itself writes into the query, as ``?id={$request.body#/id}``."""
    found: list[Parameter] = []
    text = ""
    for part in template.query or ():
        name = unquote(text.rpartition("&")[2].removesuffix("="))
        if isinstance(part, str):
            text = part
            continue
        if text.endswith("=") and name:
            python = function_name(name, [p.python for p in (*others, *found)], context="query")
            schema = Schema(dict(_value(document, declared, part, {})[1]))
            found.append(Parameter(python, "query", name, _annotation(schema.text, False), True, schema))
        text = ""
    return found


def _annotation(schema: Mapping[str, Any], is_repeated: bool, depth: int = 4) -> str:
    """The type of a parameter; what has no simple one stays the text that arrives."""
    node = merged(schema, schema)
    branches = [merged(schema, branch) for branch in node.get("anyOf") or node.get("oneOf") or []]
    if not depth:
        return "str"
    if branches:
        plain = [branch for branch in branches if branch.get("type") != "null"]
        first = {**(plain or branches)[0], "components": schema.get("components", {})}
        inner = _annotation(first, is_repeated, depth - 1)
        return f"{inner} | None" if len(plain) < len(branches) and len(plain) == 1 else inner
    kind = node.get("type")
    kinds = [kind] if isinstance(kind, str) else [k for k in kind or ["string"] if k != "null"]
    values = node.get("enum") or ([node["const"]] if "const" in node else [])
    if values and all(isinstance(value, str) for value in values):
        return f"Literal[{', '.join(literal(value) for value in values)}]"
    if kinds[0] == "array":
        inner = _annotation(
            {"components": schema.get("components", {}), **(node.get("items") or {})}, False, depth - 1
        )
        return f"list[{inner}]" if is_repeated else "str"
    return (
        _TEXTS.get(str(node.get("format")), "str") if kinds[0] == "string" else _SCALARS.get(kinds[0], "str")
    )


def _body(document: Mapping[str, Any], declared: Declared, models: ModelSet) -> Body | None:
    found = declared_body(document, declared.place.operation)
    if found is None:
        return None
    kind: Literal["json", "form", "raw"] = "raw"
    if is_json(found.media_type):
        kind = "json"
    elif found.media_type == "application/x-www-form-urlencoded":
        kind = "form"
    is_any = found.schema.anything or kind == "raw"
    model = "Any" if is_any else models.add(found.schema, class_name(f"{declared.place.callback}-event"))
    return Body(kind, model, found.required or kind == "form", found.media_type, found.schema)


def _answer(document: Mapping[str, Any], declared: Declared, models: ModelSet) -> Answer:
    responses = declared_responses(document, declared.place.operation, {})
    code = next((c for c in responses if c.startswith("2")), "default" if "default" in responses else "")
    status = int(code) if code.isdecimal() else 200
    content = responses[code].content if code else {}
    media_type = next((name for name in content if is_json(name)), next(iter(content), ""))
    if not media_type or status == 204:
        return Answer(status)
    schema = content[media_type]
    is_typed = is_json(media_type) and not schema.anything
    model = models.add(schema, class_name(f"{declared.place.callback}-answer")) if is_typed else "Any"
    return Answer(status, model, media_type, schema)
