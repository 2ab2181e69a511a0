"""What a FastAPI app declares: its callback routes, their contracts, the operation that is running.

The only module that knows how FastAPI keeps its routes.
"""

import copy
import inspect
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from pydantic import TypeAdapter
from starlette.routing import BaseRoute, get_route_path

from ringback._contract import Contract, Contracts, build_contract
from ringback._errors import ContractError, RingbackError
from ringback._parameters import callback_parameters
from ringback._places import Place, places
from ringback._typed_arguments import TypedArguments

__all__ = ["Declaration", "operation_of", "prepare", "read"]

# What a router adds to a route that it includes; read from the route's context there.
_EFFECTIVE = (
    *("path", "path_format", "path_regex", "param_convertors", "unique_id", "tags", "dependencies"),
    *("dependant", "responses", "response_fields", "response_field", "body_field", "response_class"),
    *("deprecated", "include_in_schema", "callbacks"),
)
_ORIGIN = "ringback_origin"


@dataclass(frozen=True, slots=True, eq=False)
class Declaration:
    """One callback route on one operation.

    `route` is Ringback's own copy of it, which FastAPI documents as it is sent: body in serialization mode,
    answers in validation mode. `origin` is the route as the user declared it.
    """

    operation: str
    path: str
    methods: frozenset[str]
    endpoint: Callable[..., Any]
    route: APIRoute
    origin: APIRoute
    hidden: bool = False
    operation_route: Any = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """The callback's name, its key in the document."""
        return self.route.name

    @property
    def function(self) -> Callable[..., Any]:
        """The declared function, the handle of `send`."""
        return self.route.endpoint


def prepare(app: FastAPI) -> list[Declaration]:
    """Let every operation of the app list flat copies of its callback routes, and return them all.

    Nested routers are taken apart, since FastAPI loses them; an operationId that several would share is made
    unique. The user's own routes and routers are left as they are.
    """
    declarations: list[Declaration] = []
    for context in iter_route_contexts(app.routes):
        if isinstance(context.original_route, APIRoute) and context.callbacks:
            own = [_declare(context, callback) for callback in _flat(context.callbacks)]
            _replace(context, [declaration.route for declaration in own])
            declarations += own
    _make_ids_unique(declarations)
    return declarations


def read(app: FastAPI) -> Contracts:
    """The contracts of every callback that the app declares, built from the document that it publishes.

    Raises `ContractError` with every finding at once.
    """
    declarations = prepare(app)
    document = app.openapi()
    found = list(places(document))
    contracts: list[Contract] = []
    findings: list[str] = []
    for declaration in declarations:
        place = _place_of(declaration, found)
        if place is None:
            findings.append(
                _finding(declaration, "it is not in the published document, so nobody can build it.")
            )
            continue
        try:
            contracts.append(_contract(document, place, declaration))
        except RingbackError as error:
            findings.append(_finding(declaration, str(error)))
    if findings:
        raise ContractError(findings)
    return Contracts(contracts)


def operation_of(app: FastAPI, request: Request) -> str:
    """The operationId of the operation that handles this request, as the document has it."""
    route = request.scope.get("route")
    found = [context for context in iter_route_contexts(app.routes) if context.original_route is route]
    if len(found) > 1:
        path = get_route_path(request.scope)
        found = [context for context in found if context.path_regex.match(path)] or found
    if not found:
        raise LookupError(f"{request.method} {request.url.path} is not handled by a route of this app")
    return _operation_id(found[0])


def operation_of_endpoint(app: FastAPI, endpoint: Callable[..., Any]) -> str:
    """The operationId of the one operation that an endpoint function handles; raises `RingbackError`."""
    found = {
        _operation_id(context)
        for context in iter_route_contexts(app.routes)
        if getattr(context.original_route, "endpoint", None) is endpoint
    }
    name = getattr(endpoint, "__qualname__", repr(endpoint))
    if len(found) != 1:
        raise RingbackError(
            f"{name} handles {len(found)} operations of this app. Name the one you mean by its operationId"
            + (f": {', '.join(sorted(found))}." if found else ".")
        )
    return found.pop()


def _declared_at(function: Callable[..., Any]) -> str:
    """``file:line`` of a function, the file relative to the working directory where it is below it."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return ""
    path = Path(code.co_filename)
    if path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return f"{path}:{code.co_firstlineno}"


def _operation_id(context: RouteContext) -> str:
    return str(context.operation_id or context.unique_id)


def _flat(callbacks: list[BaseRoute]) -> Iterator[RouteContext]:
    for callback in callbacks:
        origin = getattr(callback, _ORIGIN, callback)
        for context in iter_route_contexts([origin]):
            if isinstance(context.original_route, APIRoute):
                yield context


def _declare(operation: RouteContext, callback: RouteContext) -> Declaration:
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
        origin=origin,
        hidden=not (operation.include_in_schema and route.include_in_schema),
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


def _responses_of(route: APIRoute) -> Mapping[str, Any]:
    """The model of each documented answer, by status."""
    models: dict[str, Any] = {
        str(code).upper(): response["model"]
        for code, response in route.responses.items()
        if response.get("model")
    }
    if route.response_model:
        models[str(route.status_code or 200)] = route.response_model
    return {"default" if code == "DEFAULT" else code: model for code, model in models.items()}


def _place_of(declaration: Declaration, found: Sequence[Place]) -> Place | None:
    methods = {method.lower() for method in declaration.methods}
    named = [place for place in found if place.callback == declaration.name]
    here = [p for p in named if p.path == declaration.path and p.main_method in methods]
    return next(iter(here or [p for p in named if p.operation_id == declaration.operation]), None)


def _contract(document: dict[str, object], place: Place, declaration: Declaration) -> Contract:
    route = declaration.route
    dependant = route.dependant
    bodies = dependant.body_params
    single = len(bodies) == 1 and declaration.origin.body_field is not None and not route._embed_body_fields
    envelope = None if single or route.body_field is None else route.body_field.field_info.annotation
    arguments = TypedArguments(
        declaration.function,
        {
            "body": bodies,
            "path": dependant.path_params,
            "query": dependant.query_params,
            "header": dependant.header_params,
            "cookie": dependant.cookie_params,
        },
        list(callback_parameters(document, place.item, place.operation)),
        envelope,
    )
    return build_contract(
        document,
        place,
        arguments=arguments,
        models={status: TypeAdapter(model) for status, model in _responses_of(route).items()},
        declared_at=_declared_at(declaration.function),
        function=declaration.function,
        operation_id=declaration.operation,
    )


def _finding(declaration: Declaration, reason: str) -> str:
    function = getattr(declaration.function, "__qualname__", declaration.name)
    return f"{_declared_at(declaration.function)}: callback {function} of {declaration.operation}: {reason}"
