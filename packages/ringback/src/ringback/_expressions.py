"""A callback's key: literals and runtime expressions, evaluated to the one URL that is called."""

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote

from ringback._errors import InvalidExpression, InvalidUrl, UnusableValue
from ringback._sources import MISSING, Parameter, Source, parse_source, text_of
from ringback._types import Exchange
from ringback._urls import MAX_URL_LENGTH, Url, parse_url

__all__ = ["MAX_VALUE_LENGTH", "Hole", "Template", "fill", "parse_template"]

MAX_VALUE_LENGTH: Final = 512
"""Characters of one value in a URL, before it is percent-encoded."""

_LITERAL_BASE = re.compile(r"https?://[^/?#{}]+(?=[/?]|$)")
_LITERAL = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*")
_HOLE_NAME = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class Hole:
    """A path parameter of the callback itself: its value comes with each payload, not with the exchange."""

    name: str

    def __str__(self) -> str:
        return f"{{{self.name}}}"

    @property
    def mark(self) -> str:
        """What stands for it in a bound URL. Data never looks like this: it is encoded in upper case."""
        return f"%7b{self.name}%7d"


Part = str | Source | Hole


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed key.

    `declared` is the text as written, `published` the same in the grammar of OpenAPI. `base` is what gives
    scheme, host and port: an expression, or the parsed literal that the key starts with. `path` and `query`
    are what follows it.
    """

    declared: str
    published: str
    base: Source | Url
    path: tuple[Part, ...] = ()
    query: tuple[Part, ...] | None = None

    @property
    def sources(self) -> tuple[Source, ...]:
        """Every expression, in order."""
        first = (self.base,) if isinstance(self.base, Source) else ()
        return first + tuple(part for part in self._rest if isinstance(part, Source))

    @property
    def holes(self) -> tuple[str, ...]:
        """The names of the callback's own path parameters."""
        return tuple(part.name for part in self._rest if isinstance(part, Hole))

    @property
    def needs_response(self) -> bool:
        """Whether it can only be evaluated once the answer to the request is known."""
        return any(s.message == "response" or s.place == "statusCode" for s in self.sources)

    @property
    def _rest(self) -> tuple[Part, ...]:
        return self.path + (self.query or ())

    def base_url(self, exchange: Exchange) -> Url | None:
        """The URL that the exchange itself names, before anything is appended; None where it names none."""
        if isinstance(self.base, Url):
            return self.base
        value = self.base.read(exchange)
        if value is MISSING or value is None:
            return None
        source = str(self.base)
        if not isinstance(value, str):
            raise UnusableValue(source, "is not a text, and a URL is needed here")
        try:
            return parse_url(value)
        except InvalidUrl as error:
            raise UnusableValue(source, error.reason) from None

    def evaluate(self, exchange: Exchange) -> Url | None:
        """The URL to call, or None where the exchange names nobody to call.

        Values other than the base are data: they are percent-encoded, so that they can change neither
        scheme, host, port nor the number of path segments. The path is appended to the base's own path with
        one slash between, and the base's own query stays in front.

        Raises `UnusableValue` with the expression and the reason.
        """
        base = self.base_url(exchange)
        return None if base is None else self.extend(base, exchange)

    def extend(self, base: Url, exchange: Exchange) -> Url:
        """The URL to call, from the one that `base_url` gave for the same exchange."""
        path, query = base.path, base.query
        if self.path:
            path = base.path.rstrip("/") + _write(self.path, exchange)
        if self.query is not None:
            added = _write(self.query, exchange)
            query = f"{base.query}&{added}" if base.query else added
        url = replace(base, path=path, query=query)
        if (length := len(str(url))) > MAX_URL_LENGTH:
            raise UnusableValue(
                self.published, f"gives a URL of {length} characters; at most {MAX_URL_LENGTH} are allowed"
            )
        return url


def fill(url: Url, values: dict[str, str], template: Template) -> Url:
    """Put the callback's own path parameters into a bound URL; each value becomes one encoded text."""
    path, query = url.path, url.query
    # From the right: what looks like a mark in the base stands to the left of the template's own.
    for name in reversed([part.name for part in template.path if isinstance(part, Hole)]):
        path = _encode(f"{{{name}}}", values[name]).join(path.rsplit(Hole(name).mark, 1))
    for name in reversed([part.name for part in template.query or () if isinstance(part, Hole)]):
        query = _encode(f"{{{name}}}", values[name]).join((query or "").rsplit(Hole(name).mark, 1))
    return replace(url, path=path, query=query)


def parse_template(text: str, *, parameters: Collection[Parameter] = ()) -> Template:
    """Read a callback's key: one bare expression, or literals with expressions in braces.

    `parameters` are those of the main operation, as (place, name); they are what the spelling of FastAPI's
    tutorial is resolved by.

    Raises `InvalidExpression` with what is wrong and how to write it.
    """
    if text.startswith("$"):
        return _whole(text, parameters)
    parts = _split(_base_first(text), parameters)
    published = "".join(f"{{{part}}}" if isinstance(part, Source) else str(part) for part in parts)
    base, rest = _base_of(text, parts)
    path, query = _at_question_mark(rest)
    _check_path(text, path)
    return Template(text, published, base, path, query)


def _whole(text: str, parameters: Collection[Parameter]) -> Template:
    if "{" in text or "}" in text:
        raise InvalidExpression(f"{text!r} mixes a bare expression with braces. Put each one in braces.")
    source = parse_source(text, parameters)
    if "/" in source.name and (source.place, source.name) not in parameters:
        end = text.index("/")
        raise InvalidExpression(
            f"{text!r} is one expression that reads a parameter named {source.name!r}, since a name may hold "
            f"slashes. Write {{{text[:end]}}}{text[end:]}."
        )
    return Template(text, str(source), source)


def _base_first(text: str) -> str:
    """Move what a router's prefix put in front of the base to where it belongs, behind it."""
    found = re.match(r"(/[^{}]*)(\{\$[^{}]*\})(.*)", text, re.DOTALL)
    if found is None:
        return text
    prefix, base, rest = found.groups()
    return base + ("" if prefix == "/" else prefix.rstrip("/")) + rest


def _split(text: str, parameters: Collection[Parameter]) -> list[Part]:
    parts: list[Part] = []
    position = 0
    while position < len(text):
        start = text.find("{", position)
        literal = text[position:] if start < 0 else text[position:start]
        if literal:
            parts.append(_literal(text, literal))
        if start < 0:
            break
        end = text.find("}", start)
        if end < 0:
            raise InvalidExpression(f"{text!r}: the brace at position {start} is never closed.")
        parts.append(_braced(text, text[start + 1 : end], parameters))
        position = end + 1
    return parts


def _braced(text: str, inner: str, parameters: Collection[Parameter]) -> Source | Hole:
    if inner.startswith("$"):
        try:
            return parse_source(inner, parameters)
        except InvalidExpression as error:
            raise InvalidExpression(f"In {text!r}: {error}") from None
    name, colon, convertor = inner.partition(":")
    if not _HOLE_NAME.fullmatch(name):
        raise InvalidExpression(
            f"In {text!r}: {{{inner}}} is neither an expression, which starts with $, nor the name of a path "
            "parameter of the callback."
        )
    if colon:
        raise InvalidExpression(
            f"In {text!r}: the convertor :{convertor} would be published with the key. Write {{{name}}}."
        )
    return Hole(name)


def _literal(text: str, literal: str) -> str:
    if "#" in literal:
        raise InvalidExpression(f"{text!r} holds a fragment (#), which is never sent. Remove it.")
    if not _LITERAL.fullmatch(literal):
        bad = next(c for c in literal if not _LITERAL.fullmatch(c))
        raise InvalidExpression(
            f"{text!r}: {bad!a} may not stand in a URL. Percent-encode it, as {quote(bad, safe='')}."
        )
    return literal


def _base_of(text: str, parts: list[Part]) -> tuple[Source | Url, list[Part]]:
    if not parts:
        raise InvalidExpression("The key is empty. Begin it with {$request.query.callback_url}.")
    first, rest = parts[0], parts[1:]
    if isinstance(first, Source):
        following = rest[0] if rest else "/"
        if not isinstance(following, str) or not following.startswith(("/", "?")):
            raise InvalidExpression(
                f"{text!r}: what follows {{{first}}} would become part of its host. Begin it with a slash."
            )
        return first, rest
    if isinstance(first, Hole):
        raise InvalidExpression(
            f"{text!r} takes its host from {first}, which no request gives. Begin it with an expression such "
            "as {$request.query.callback_url}."
        )
    found = _LITERAL_BASE.match(first)
    if found is None or (found.end() == len(first) and rest):
        raise InvalidExpression(
            f"{text!r} does not say which host to call. Begin it with an expression such as "
            "{$request.query.callback_url}, or with https://, a whole host and a slash."
        )
    try:
        base = parse_url(found.group())
    except InvalidUrl as error:
        raise InvalidExpression(f"{text!r}: {error.reason}.") from None
    remainder = first[found.end() :]
    return base, [remainder, *rest] if remainder else rest


def _at_question_mark(parts: list[Part]) -> tuple[tuple[Part, ...], tuple[Part, ...] | None]:
    for index, part in enumerate(parts):
        if isinstance(part, str) and "?" in part:
            before, _, after = part.partition("?")
            path = (*parts[:index], *([before] if before else []))
            return path, (*([after] if after else []), *parts[index + 1 :])
    return tuple(parts), None


def _check_path(text: str, path: tuple[Part, ...]) -> None:
    plain = "".join(part if isinstance(part, str) else "x" for part in path)
    if plain.startswith("//"):
        raise InvalidExpression(f"{text!r}: the path begins with two slashes. Write one.")
    if any(segment.lower().replace("%2e", ".") in {".", ".."} for segment in plain.split("/")):
        raise InvalidExpression(f"{text!r}: the path holds a dot segment. Write the path without it.")


def _write(parts: tuple[Part, ...], exchange: Exchange) -> str:
    return "".join(_text(part, exchange) for part in parts)


def _text(part: Part, exchange: Exchange) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, Hole):
        return part.mark
    value = part.read(exchange)
    if value is MISSING:
        given = "" if part.message != "response" else "; pass it with bind(..., response=...)"
        raise UnusableValue(str(part), f"is not given, and the callback's URL needs it{given}")
    return _encode(str(part), text_of(str(part), value))


def _encode(source: str, text: str) -> str:
    if not text:
        raise UnusableValue(source, "is empty, and the callback's URL needs it")
    if len(text) > MAX_VALUE_LENGTH:
        raise UnusableValue(
            source, f"has {len(text)} characters; at most {MAX_VALUE_LENGTH} are allowed in a URL"
        )
    if text in {".", ".."}:
        raise UnusableValue(source, f"is {text!r}, which receivers and proxies take for a dot segment")
    try:
        return quote(text, safe="")
    except UnicodeEncodeError:
        raise UnusableValue(source, "holds half of a surrogate pair, which is no character") from None
