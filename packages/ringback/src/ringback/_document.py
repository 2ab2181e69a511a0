"""The published document, repaired: valid, and true to what is sent and accepted."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from ringback._declarations import Declaration, prepare
from ringback._errors import InvalidExpression
from ringback._expressions import Template, parse_template
from ringback._openapi.places import Place, main_parameters, places
from ringback._openapi.references import references_in
from ringback._sources import Source

__all__ = ["Form", "publish", "repair"]

Form = Literal["valid", "declared"]
"""Whether keys are published in OpenAPI's grammar, or as they were declared."""

Document = dict[str, Any]

_AUTOMATIC: Final = "#/components/schemas/HTTPValidationError"
_SIGNATURE_HEADERS: Final = {
    "webhook-id": "The delivery's identifier, the same in every attempt: what to remember so as to act once.",
    "webhook-timestamp": "When this attempt was made, in seconds since 1970; refuse what is minutes old.",
    "webhook-signature": (
        "Signatures of id, timestamp and body by [Standard Webhooks](https://www.standardwebhooks.com), "
        "separated by spaces; accept the request if one of them verifies."
    ),
}


def publish(app: FastAPI, *, form: Form = "valid", policy: str = "") -> None:
    """Make ``app.openapi()`` return the repaired document from now on.

    `policy` says in words when deliveries are repeated; receivers read it in each callback's description.
    It stays so when ``app.openapi`` is assigned, before or after, as FastAPI's guide "Extending OpenAPI"
    does. Nothing is read before the first call.
    """
    if isinstance(vars(type(app)).get("openapi"), _Published):
        return
    assigned = vars(app).pop("openapi", None)
    published = _Published(type(app).openapi, form, policy)
    # A class of its own: only there can a descriptor see what is assigned to this one app.
    app.__class__ = type(type(app).__name__, (type(app),), {"openapi": published})
    if assigned is not None:
        app.openapi = assigned  # type: ignore[method-assign]


class _Published:
    """A data descriptor in place of ``openapi``: what is assigned to it is kept, and its result repaired."""

    def __init__(self, default: Callable[[FastAPI], Document], form: Form, policy: str) -> None:
        self._default = default
        self._form: Form = form
        self._policy = policy

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
        repair(document, declarations, form=self._form, policy=self._policy)
        return document


def repair(
    document: Document, declarations: Sequence[Declaration], *, form: Form = "valid", policy: str = ""
) -> None:
    """Correct, in place, what FastAPI publishes of the declared callbacks; done twice it changes nothing."""
    declared = {(d.path, method.lower(), d.name): d for d in declarations for method in d.methods}
    for place in list(places(document)):
        declaration = declared.get((place.path, place.main_method, place.callback))
        if declaration is not None and place.method and "x-ringback-declared" not in place.operation:
            _drop_automatic_422(place.operation, declaration)
            _add_signature_headers(place.operation)
            _add_security_schemes(document, place.operation, declaration)
            _publish_key(document, place, form, policy)
            # Else it would inherit the API's own security, and a receiver is not asked for that.
            _changeable(place.operation).setdefault("security", [])
    _drop_unused_errors(document)


def _changeable(node: Any) -> dict[str, Any]:
    """The document belongs to its app, and repairing it in place is what we are here for."""
    assert isinstance(node, dict)
    return node


def _publish_key(document: Document, place: Place, form: Form, policy: str) -> None:
    try:
        template = parse_template(place.key, parameters=main_parameters(document, place))
    except InvalidExpression:
        return  # the start-up check reports it
    if form == "valid" and template.published != place.key:
        callback = place.main["callbacks"][place.callback]
        items = {template.published if key == place.key else key: item for key, item in callback.items()}
        callback.clear()
        callback.update(items)
    operation = _changeable(place.operation)
    operation["x-ringback-declared"] = template.declared
    own = [operation["description"]] if operation.get("description") else []
    operation["description"] = "\n\n".join([*own, _in_words(template), *([policy] if policy else [])])


def _in_words(template: Template) -> str:
    """Which URL is called, for people: documentation pages draw the key without explaining it."""
    if isinstance(template.base, Source):
        words = f"Sent to the URL that the request gave as {_source_in_words(template.base)}"
    else:
        words = f"Sent to `{template.base}`"
    rest = "".join(f"{{{p}}}" if isinstance(p, Source) else str(p) for p in template.path)
    if rest:
        words += f", with `{rest}` appended to its path (a query of its own stays behind)"
    if template.query is not None:
        query = "".join(f"{{{p}}}" if isinstance(p, Source) else str(p) for p in template.query)
        words += f" and `{query}` to its query"
    values = [s for s in template.sources if s is not template.base]
    if values:
        listed = ", ".join(f"`{{{s}}}` is {_source_in_words(s)}" for s in dict.fromkeys(values))
        words += f"; {listed}, percent-encoded"
    spelling = "" if template.declared == template.published else f" Declared as `{template.declared}`."
    return f"{words}.{spelling}"


def _source_in_words(source: Source) -> str:
    message = "response" if source.message == "response" else "request"
    match source.place:
        case "body":
            return f"`{'.'.join(source.pointer)}` of the {message}'s body"
        case "query" | "path":
            return f"the {source.place} parameter `{source.name}`"
        case "header":
            return f"the {message}'s header `{source.name}`"
    return {"url": "the request's own URL", "method": "the request's method"}.get(
        source.place, "the response's status code"
    )


def _drop_automatic_422(operation: Any, declaration: Declaration) -> None:
    """Only FastAPI servers answer so; the receiver never promised it."""
    promised = {str(code) for code in declaration.route.responses}
    extra: Mapping[str, Any] = declaration.route.openapi_extra or {}
    if "422" not in promised and "422" not in extra.get("responses", {}):
        response = operation.get("responses", {}).get("422")
        if response and _AUTOMATIC in references_in(response):
            del operation["responses"]["422"]


def _add_signature_headers(operation: Any) -> None:
    parameters = operation.setdefault("parameters", [])
    present = {str(p.get("name")).lower() for p in parameters if p.get("in") == "header"}
    for name, words in _SIGNATURE_HEADERS.items():
        if name not in present:
            schema = {"type": "string"}
            parameters.append(
                {"name": name, "in": "header", "required": True, "description": words, "schema": schema}
            )


def _add_security_schemes(document: Document, operation: Any, declaration: Declaration) -> None:
    """FastAPI drops the schemes that only a callback names."""
    named = {name for requirement in operation.get("security", []) for name in requirement}
    known = document.get("components", {}).get("securitySchemes", {})
    if named <= set(known):
        return
    alone = get_openapi(title="", version="", routes=[declaration.route])
    schemes = alone.get("components", {}).get("securitySchemes", {})
    document.setdefault("components", {}).setdefault("securitySchemes", {}).update(
        {name: scheme for name, scheme in schemes.items() if name in named and name not in known}
    )


def _drop_unused_errors(document: Document) -> None:
    """Remove FastAPI's own error models once nothing refers to them."""
    components = document.get("components", {})
    schemas = components.get("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        if name in schemas and f"#/components/schemas/{name}" not in _references_outside(document, name):
            del schemas[name]
    if "schemas" in components and not schemas:
        del components["schemas"]
    if "components" in document and not components:
        del document["components"]


def _references_outside(document: Document, name: str) -> Iterator[str]:
    for section, named in document.items():
        if section != "components":
            yield from references_in(named)
    for section, named in document["components"].items():
        yield from references_in({k: v for k, v in named.items() if (section, k) != ("schemas", name)})
