"""One runtime expression of OpenAPI 3.x: its grammar, and the value that it reads from an exchange."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from ringback._errors import InvalidExpression, UnusableValue
from ringback._types import Exchange

__all__ = ["MISSING", "Parameter", "Source", "parse_source", "text_of"]

Parameter = tuple[str, str]
"""Where a parameter of the main operation stands (query, path, header, cookie) and its name."""

MISSING: Final = object()
"""What a source reads where the exchange does not have it."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
_NAME = re.compile(r"[^{}\x00-\x1f\x7f]+")
_POINTER = re.compile(r"(?:/(?:[^/~{}\x00-\x1f\x7f]|~[01])*)*")  # RFC 6901, without braces
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")
_WHOLE: Final = {"$url", "$method", "$statusCode"}
_PLACES: Final = {
    ("request", "header"),
    ("request", "query"),
    ("request", "path"),
    ("response", "header"),
}


@dataclass(frozen=True, slots=True)
class Source:
    """What one runtime expression reads.

    `message` is request, response, or empty for ``$url``, ``$method`` and ``$statusCode``, whose `place` is
    url, method or statusCode. Elsewhere `place` is header, query, path or body, with a `name` or, for a
    body, the unescaped tokens of its JSON Pointer. `declared` is the text before it was brought into valid
    form.
    """

    message: str
    place: str
    name: str = ""
    pointer: tuple[str, ...] = ()
    declared: str = ""

    def __str__(self) -> str:
        if not self.message:
            return f"${self.place}"
        if self.place != "body":
            return f"${self.message}.{self.place}.{self.name}"
        tokens = "".join("/" + token.replace("~", "~0").replace("/", "~1") for token in self.pointer)
        return f"${self.message}.body" + (f"#{tokens}" if tokens else "")

    def read(self, exchange: Exchange) -> Any:
        """The value in the exchange, or `MISSING`. Raises `UnusableValue` where a name repeats."""
        match self.place:
            case "body":
                return _at(exchange.body if self.message == "request" else exchange.response, self.pointer)
            case "query":
                return self._single(exchange.query.get(self.name, MISSING))
            case "path":
                return exchange.path.get(self.name, MISSING)
            case "header":
                given = exchange.headers if self.message == "request" else exchange.response_headers
                return self._single(_header(given, self.name))
        whole = {"url": exchange.url, "method": exchange.method}.get(self.place, exchange.status_code)
        return MISSING if whole is None else whole

    def _single(self, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        if len(value) > 1:
            raise UnusableValue(str(self), f"is given {len(value)} times; send it once")
        return value[0] if value else MISSING


def parse_source(text: str, parameters: Iterable[Parameter] = ()) -> Source:
    """Read one expression, without braces.

    `parameters` are those that the main operation declares: with them ``$callback_url`` of FastAPI's
    tutorial is read as the parameter of that name, and ``$request.body.id`` as ``$request.body#/id``.

    Raises `InvalidExpression` with the likely correction.
    """
    found = _parse_valid(text) or _parse_tutorial(text, tuple(parameters))
    if found is None:
        advice = _advice(text, tuple(parameters))
        end = "?" if "Did you mean" in advice else "."
        raise InvalidExpression(f"{text!r} is not a runtime expression of OpenAPI{advice}{end}")
    return found


def text_of(source: str, value: Any) -> str:
    """The text of a JSON scalar in a URL; anything else raises `UnusableValue`."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value) if abs(value) < 10**512 else _refuse(source, "is a number of over 512 digits")
        case float() if math.isfinite(value):
            return repr(value)
        case None:
            return _refuse(source, "is null, and the URL needs a text, a number or a boolean here")
    kind = "an object" if isinstance(value, Mapping) else "a list" if isinstance(value, list) else "no JSON"
    return _refuse(source, f"is {kind}, and the URL needs a text, a number or a boolean here")


def _refuse(source: str, reason: str) -> str:
    raise UnusableValue(source, reason)


def _parse_valid(text: str) -> Source | None:
    if text in _WHOLE:
        return Source("", text[1:], declared=text)
    message, _, rest = text.removeprefix("$").partition(".")
    if not text.startswith("$") or message not in {"request", "response"}:
        return None
    if rest == "body" or rest.startswith("body#"):
        pointer = rest[5:]
        if not _POINTER.fullmatch(pointer):
            return None
        return Source(message, "body", pointer=_tokens(pointer), declared=text)
    place, dot, name = rest.partition(".")
    if not dot or (message, place) not in _PLACES:
        return None
    grammar = _TOKEN if place == "header" else _NAME
    return Source(message, place, name, declared=text) if grammar.fullmatch(name) else None


def _parse_tutorial(text: str, parameters: tuple[Parameter, ...]) -> Source | None:
    for message in ("request", "response"):
        dotted = text.removeprefix(f"${message}.body.")
        if dotted != text and dotted and _NAME.fullmatch(dotted) and all(dotted.split(".")):
            return Source(message, "body", pointer=tuple(dotted.split(".")), declared=text)
    if not text.startswith("$"):
        return None
    found = _named(text[1:], parameters)
    if len(found) > 1:
        choices = " or ".join(sorted(f"$request.{place}.{name}" for place, name in found))
        raise InvalidExpression(f"{text!r} names {len(found)} parameters. Write {choices}.")
    if not found or found[0][0] == "cookie":
        return None
    return Source("request", found[0][0], found[0][1], declared=text)


def _named(name: str, parameters: tuple[Parameter, ...]) -> list[Parameter]:
    exact = [parameter for parameter in parameters if parameter[1] == name]
    header = name.replace("_", "-").lower()
    return exact or [(place, other) for place, other in parameters if place == "header" and other == header]


def _advice(text: str, parameters: tuple[Parameter, ...]) -> str:
    name = text.removeprefix("$")
    return (
        _advice_on_form(text)
        or _advice_on_name(name.removeprefix("request."), parameters)
        or ". Write one such as $request.query.callback_url or $request.body#/id"
    )


def _advice_on_form(text: str) -> str:
    if text.lower() != text and _parse_valid(text.lower()):
        return f": its keywords are lower case. Write {text.lower()}"
    for message in ("request", "response"):
        start = f"${message}.body#"
        if text.startswith(start):
            return f": a JSON Pointer starts with a slash. Write {start}/{text.removeprefix(start)}"
        if text.startswith(f"${message}.cookie."):
            return ": cookies cannot be read in one. Take the value as a query parameter or a header"
    if text.startswith(("$response.query.", "$response.path.")):
        return ": a response has no query and no path. Read $response.body#/… or $response.header.…"
    message, _, rest = text.partition(".")
    place, _, name = rest.partition(".")
    for close in get_close_matches(place, ("header", "query", "path"), 1):
        if close != place and _parse_valid(f"{message}.{close}.{name}"):
            return f". Did you mean {message}.{close}.{name}"
    return ""


def _advice_on_name(name: str, parameters: tuple[Parameter, ...]) -> str:
    if ("cookie", name) in parameters:
        return f": {name} is a cookie, and cookies cannot be read in one. Make it a query parameter"
    places = {other: place for place, other in parameters}
    if close := get_close_matches(name, places, 1):
        return f". Did you mean $request.{places[close[0]]}.{close[0]}"
    if not re.fullmatch(r"[A-Za-z_]\w*", name):
        return ""
    return (
        f", and the operation has no parameter {name!r}. Declare {name} as a query parameter of the "
        f"operation and write $request.query.{name}, or $request.body#/{name} if it is in the body"
    )


def _tokens(pointer: str) -> tuple[str, ...]:
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:])


def _header(headers: Mapping[str, str | list[str]], name: str) -> Any:
    wanted = name.lower()
    found: list[str] = []
    for key, value in headers.items():
        if key.lower() == wanted:
            found += value if isinstance(value, list) else [value]
    return found if len(found) != 1 else found[0]


def _at(value: Any, pointer: tuple[str, ...]) -> Any:
    for token in pointer:
        if isinstance(value, Mapping):
            value = value.get(token, MISSING)
        elif isinstance(value, list) and _INDEX.fullmatch(token):
            value = value[int(token)] if int(token) < len(value) else MISSING
        else:
            return MISSING
    return value
