"""The published document, repaired: valid, and true to what is sent and accepted."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from ringback._declarations import Declaration, prepare
from ringback._errors import InvalidExpression
from ringback._expressions import Template, parse_template
from ringback._places import Place, main_parameters, places
from ringback._references import references_in

__all__ = ["Form", "publish", "repair"]

Form = Literal["valid", "declared"]
"""Whether keys are published in OpenAPI's grammar, or as they were declared."""

Document = dict[str, Any]
_AUTOMATIC = "#/components/schemas/HTTPValidationError"


def publish(app: FastAPI, *, form: Form = "valid") -> None:
    """Make ``app.openapi()`` return the repaired document from now on.

    It stays so when ``app.openapi`` is assigned, before or after, as FastAPI's guide "Extending OpenAPI"
    does. Nothing is read before the first call.
    """
    if isinstance(getattr(type(app), "openapi", None), _Published):
        return
    assigned = vars(app).pop("openapi", None)
    app.__class__ = type(type(app).__name__, (type(app),), {"openapi": _Published(type(app).openapi, form)})
    if assigned is not None:
        app.openapi = assigned  # type: ignore[method-assign]


class _Published:
    """A data descriptor in place of ``openapi``: what is assigned to it is kept, and its result repaired."""

    def __init__(self, default: Callable[[FastAPI], Document], form: Form) -> None:
        self._default = default
        self._form: Form = form

    def __get__(self, app: FastAPI | None, owner: type) -> Any:
        if app is None:
            return self
        assigned: Callable[[], Document] | None = vars(app).get("openapi")
        # Bound now: an assigned function may itself call what stood here before it.
        return lambda: self._repaired(app, assigned)

    def __set__(self, app: FastAPI, assigned: Callable[[], Document]) -> None:
        vars(app)["openapi"] = assigned

    def __delete__(self, app: FastAPI) -> None:
        vars(app).pop("openapi", None)

    def _repaired(self, app: FastAPI, assigned: Callable[[], Document] | None) -> Document:
        declarations = prepare(app)
        document = self._default(app) if assigned is None else assigned()
        repair(document, declarations, form=self._form)
        return document


def repair(document: Document, declarations: Sequence[Declaration], *, form: Form = "valid") -> None:
    """Correct, in place, what FastAPI publishes of the declared callbacks; done twice it changes nothing."""
    declared = {(d.path, method.lower(), d.name): d for d in declarations for method in d.methods}
    for place in list(places(document)):
        declaration = declared.get((place.path, place.main_method, place.callback))
        if declaration is not None:
            _drop_automatic_422(place.operation, declaration)
            _publish_key(document, place, form)
            _add_security_schemes(document, place.operation, declaration)
    _drop_unused(document)


def _publish_key(document: Document, place: Place, form: Form) -> None:
    if "x-ringback-declared" in place.operation or form == "declared":
        return
    try:
        template = parse_template(place.key, parameters=main_parameters(document, place))
    except InvalidExpression:
        return  # the start-up check reports it
    if template.published == place.key:
        return
    callback = place.main["callbacks"][place.callback]
    items = {template.published if key == place.key else key: item for key, item in callback.items()}
    callback.clear()
    callback.update(items)
    _explain_key(place.operation, template)


def _explain_key(operation: Any, template: Template) -> None:
    operation["x-ringback-declared"] = template.declared
    words = f"Declared as `{template.declared}`."
    operation["description"] = (
        f"{operation['description']}\n\n{words}" if operation.get("description") else words
    )


def _drop_automatic_422(operation: Any, declaration: Declaration) -> None:
    """Only FastAPI servers answer so; the receiver never promised it."""
    promised = {str(code) for code in declaration.route.responses}
    extra: Mapping[str, Any] = declaration.route.openapi_extra or {}
    if "422" not in promised and "422" not in extra.get("responses", {}):
        response = operation.get("responses", {}).get("422")
        if response and _AUTOMATIC in references_in(response):
            del operation["responses"]["422"]


def _add_security_schemes(document: Document, operation: Any, declaration: Declaration) -> None:
    known = document.setdefault("components", {}).get("securitySchemes", {})
    named = {name for requirement in operation.get("security", []) for name in requirement}
    if named <= set(known):
        return
    alone = get_openapi(title="", version="", routes=[declaration.route])
    schemes = alone.get("components", {}).get("securitySchemes", {})
    document["components"].setdefault("securitySchemes", {}).update(
        {name: scheme for name, scheme in schemes.items() if name in named and name not in known}
    )


def _drop_unused(document: Document) -> None:
    """Remove the automatic error models once nothing refers to them."""
    schemas = document.get("components", {}).get("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        if name in schemas and f"#/components/schemas/{name}" not in set(_other_references(document, name)):
            del schemas[name]
    for section in ("schemas",):
        if section in document.get("components", {}) and not document["components"][section]:
            del document["components"][section]
    if document.get("components") == {}:
        del document["components"]


def _other_references(document: Document, name: str) -> Iterator[str]:
    rest = {key: value for key, value in document.items() if key != "components"}
    yield from references_in(rest)
    for section, named in document.get("components", {}).items():
        yield from references_in({k: v for k, v in named.items() if (section, k) != ("schemas", name)})
