"""What a FastAPI app declares: its callback routes, their contracts, the operation that is running.

The only module that knows how FastAPI keeps its routes.
"""

import copy
import inspect
import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from pydantic import TypeAdapter
from starlette.routing import BaseRoute

from ringback._contract import Contract, Contracts, build_contract
from ringback._errors import ContractError, RingbackError
from ringback._openapi.parameters import callback_parameters
from ringback._openapi.places import Place, places
from ringback._rules.declarations import judge_declaration
from ringback._rules.documents import judge_id, judge_place, operation_ids
from ringback._rules.findings import Finding, Severity, error
from ringback._typed_arguments import TypedArguments, answer_models

__all__ = ["Declaration", "examine", "operation_of", "operation_of_endpoint", "prepare", "read"]

# What a router adds to a route that it includes; read from the route's context there.
_EFFECTIVE = (
    *("path", "path_format", "path_regex", "param_convertors", "unique_id", "tags", "dependencies"),
    *("dependant", "responses", "response_fields", "response_field", "body_field", "response_class"),
    *("deprecated", "include_in_schema", "callbacks"),
)
_ORIGIN = "ringback_origin"
_CONTEXTS = "ringback_contexts"

_logger = logging.getLogger("ringback")


@dataclass(frozen=True, slots=True, eq=False)
class Declaration:
    """One callback route on one operation.

    `path`, `methods` and `endpoint` are the operation's. `route` is Ringback's own copy of the callback's
    route, which FastAPI documents as it is sent: body in serialization mode, answers in validation mode.
    `hidden` says that the document leaves it out, `separate_schemas` that FastAPI may publish both modes.
    """

    operation: str
    path: str
    methods: frozenset[str]
    endpoint: Callable[..., Any]
    route: APIRoute
    hidden: bool
    separate_schemas: bool

    @property
    def name(self) -> str:
        """The callback's name, its key in the document."""
        return self.route.name

    @property
    def function(self) -> Callable[..., Any]:
        """The declared function, the handle of `send`."""
        return self.route.endpoint

    @property
    def declared_at(self) -> str:
        """``file:line`` of the function, the file relative to the working directory where it is below it."""
        file, line = _position(self.function)
        return f"{file}:{line}" if file else ""

    def locate(self, finding: Finding) -> Finding:
        """The finding with this callback as its place."""
        return finding.at(f"{_name(self.function)}, callback of {self.operation}", *_position(self.function))


def prepare(app: FastAPI) -> list[Declaration]:
    """Let every operation of the app list flat copies of its callback routes, and return them all.

    Nested routers are taken apart, since FastAPI loses them; an operationId that several would share is made
    unique. The user's own routes and routers are left as they are.
    """
    declarations: list[Declaration] = []
    for context in iter_route_contexts(app.routes):
        if isinstance(context.original_route, APIRoute) and context.callbacks:
            own = [_declare(app, context, callback) for callback in _flat(context.callbacks)]
            _replace(context, [declaration.route for declaration in own])
            declarations += own
    _make_ids_unique(declarations)
    return declarations


def read(app: FastAPI, *, allowed: Collection[str] = ()) -> Contracts:
    """The contracts of every callback that the app declares, built from the document that it publishes.

    `allowed` are expressions that may be used although they can carry secrets into a URL. Warnings are logged
    and kept in the result's `findings`. Raises `ContractError` with every error at once.
    """
    contracts, findings = examine(app, allowed=allowed)
    errors = [str(finding) for finding in findings if finding.severity is Severity.ERROR]
    if errors:
        raise ContractError(errors)
    for finding in findings:
        if finding.severity is Severity.WARNING:
            _logger.warning("%s", finding)
    return Contracts(contracts, findings)


def examine(
    app: FastAPI, *, allowed: Collection[str] = (), dialect: bool = True
) -> tuple[list[Contract], list[Finding]]:
    """Every contract that can be built, and every finding of the start-up check.

    `dialect` says that the tutorial's spelling of keys is meant, as it is where Ringback publishes them.
    """
    declarations = prepare(app)
    document = app.openapi()
    found = list(places(document))
    ids = operation_ids(document, found)
    contracts: list[Contract] = []
    findings = list(_routes_are_not_callbacks(app))
    for declaration in declarations:
        own = list(judge_declaration(declaration, declarations))
        place = _place_of(declaration, found)
        if place is not None and not declaration.hidden:
            own += judge_place(document, place, allowed=allowed, dialect=dialect)
            # The automatic id of a callback is shared only where another rule speaks already.
            for name in {declaration.route.operation_id or "", declaration.operation}:
                own += judge_id(name, ids)
        elif not own:
            own.append(_not_published())
        if not any(finding.severity is Severity.ERROR for finding in own):
            assert place is not None, "what has no place has an error"
            contracts.append(_contract(document, place, declaration))
        findings += [declaration.locate(finding) for finding in own]
    return contracts, findings


def operation_of(app: FastAPI, request: Request) -> str:
    """The operationId of the operation that handles this request, as the document has it."""
    route = request.scope.get("route")
    path = str(request.scope["path"]).removeprefix(request.scope.get("root_path", "").rstrip("/"))
    # Kept by the app, as its routes are. An id names a route as long as the contexts beside it hold that one.
    known: dict[int, list[RouteContext]] = vars(app).setdefault(_CONTEXTS, {})
    for context in known.get(id(route), ()):
        if context.path_regex.match(path):
            return _operation_id(context)
    found = [context for context in iter_route_contexts(app.routes) if context.original_route is route]
    if not found:
        raise LookupError(f"{request.method} {request.url.path} is not handled by a route of this app")
    known[id(route)] = found
    return _operation_id(next((c for c in found if c.path_regex.match(path)), found[0]))


def operation_of_endpoint(app: FastAPI, endpoint: Callable[..., Any]) -> str:
    """The operationId of the one operation that an endpoint function handles; raises `RingbackError`."""
    found = {
        _operation_id(context)
        for context in iter_route_contexts(app.routes)
        if getattr(context.original_route, "endpoint", None) is endpoint
    }
    if len(found) != 1:
        raise RingbackError(
            f"{_name(endpoint)} handles {len(found)} operations of this app. Name the one that is meant by "
            f"its operationId{': ' if found else ''}{', '.join(sorted(found))}."
        )
    return found.pop()


def _name(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__qualname__", repr(function)))


def _position(function: Callable[..., Any]) -> tuple[str, int]:
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return "", 0
    path = Path(code.co_filename)
    if path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return str(path), code.co_firstlineno


def _operation_id(context: RouteContext) -> str:
    return str(context.operation_id or context.unique_id)


def _flat(callbacks: list[BaseRoute]) -> Iterator[RouteContext]:
    for callback in callbacks:
        origin = getattr(callback, _ORIGIN, callback)
        for context in iter_route_contexts([origin]):
            if isinstance(context.original_route, APIRoute):
                yield context


def _declare(app: FastAPI, operation: RouteContext, callback: RouteContext) -> Declaration:
    origin = callback.original_route
    assert isinstance(origin, APIRoute)
    route = copy.copy(origin)
    for name in _EFFECTIVE:
        setattr(route, name, getattr(callback, name))
    setattr(route, _ORIGIN, callback)
    route.body_field = _in_mode(route.body_field, "serialization")
    route.response_field = _in_mode(route.response_field, "validation")
    route.response_fields = {
        status: _in_mode(response, "validation") for status, response in route.response_fields.items()
    }
    return Declaration(
        operation=_operation_id(operation),
        path=str(operation.path_format),
        methods=frozenset(operation.methods or ()),
        endpoint=operation.endpoint or origin.endpoint,
        route=route,
        hidden=not (operation.include_in_schema and route.include_in_schema),
        separate_schemas=app.separate_input_output_schemas,
    )


def _in_mode(model_field: Any, mode: str) -> Any:
    if model_field is None:
        return None
    flipped = copy.copy(model_field)
    flipped.mode = mode
    return flipped


def _replace(context: RouteContext, callbacks: list[APIRoute]) -> None:
    original = context.original_route
    assert isinstance(original, APIRoute)
    if context.callbacks is original.callbacks:
        original.callbacks = list(callbacks)
    else:
        context.callbacks[:] = callbacks


def _make_ids_unique(declarations: list[Declaration]) -> None:
    ids = Counter(str(d.route.operation_id or d.route.unique_id) for d in declarations)
    for declaration in declarations:
        route = declaration.route
        if ids[str(route.operation_id or route.unique_id)] > 1:
            route.operation_id = f"{declaration.operation}_{route.name}"


def _place_of(declaration: Declaration, found: Sequence[Place]) -> Place | None:
    methods = {method.lower() for method in declaration.methods}
    named = [place for place in found if place.callback == declaration.name]
    here = [p for p in named if p.path == declaration.path and p.main_method in methods]
    return next(iter(here or [p for p in named if p.operation_id == declaration.operation]), None)


def _contract(document: Mapping[str, Any], place: Place, declaration: Declaration) -> Contract:
    return build_contract(
        document,
        place,
        arguments=TypedArguments(
            declaration.route, list(callback_parameters(document, place.item, place.operation))
        ),
        models={status: TypeAdapter(model) for status, model in answer_models(declaration.route).items()},
        declared_at=declaration.declared_at,
        function=declaration.function,
        operation_id=declaration.operation,
    )


def _not_published() -> Finding:
    return error(
        "not-documented",
        "The document that the app publishes does not have it, so nobody can know what to build.",
        "Let the function assigned to app.openapi keep the callbacks of its operation.",
    )


def _routes_are_not_callbacks(app: FastAPI) -> Iterator[Finding]:
    for context in iter_route_contexts(app.routes):
        if isinstance(context.original_route, APIRoute) and "{$" in str(context.path):
            endpoint = context.original_route.endpoint
            yield error(
                "callback-as-route",
                f"{context.path!r} is an operation of the app itself, where it can never be reached.",
                "Pass the router to callbacks=router.routes only, and do not include it.",
            ).at(_name(endpoint), *_position(endpoint))
