"""An independent judge of captured requests: reads raw bytes and a published document, and nothing of ours.

Whatever leaves the process must be what the document says: method, path, query, header fields, body. It
validates with the plain ``jsonschema`` package, which the product does not use.
"""

import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, unquote_plus, urlsplit

import jsonschema
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

__all__ = ["Captured", "DocumentedCallback", "read_raw"]

# Fields of HTTP itself, which no OpenAPI document declares.
_OF_HTTP = {"host", "content-type", "content-length", "user-agent", "accept-encoding", "accept", "connection"}
_JSON_SCALAR = re.compile(r"true|false|null|-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")


@dataclass(frozen=True)
class Captured:
    """One request as its bytes say it. Header names are lower-case."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> list[str]:
        """Every value of a field."""
        return [value for other, value in self.headers if other == name]


def read_raw(raw: bytes) -> Captured:
    """Take a request apart, byte for byte as it came over the socket."""
    head, _, body = raw.partition(b"\r\n\r\n")
    start, *lines = head.split(b"\r\n")
    method, target, version = start.decode("ascii").split(" ")
    assert version == "HTTP/1.1"
    headers = []
    for line in lines:
        name, colon, value = line.decode("ascii").partition(": ")
        assert colon
        assert name == name.strip()
        headers.append((name.lower(), value))
    captured = Captured(method, target, headers, body)
    assert captured.header("content-length") in ([str(len(body))], [] if not body else None)
    return captured


class DocumentedCallback:
    """One callback operation of a document, found by walking the JSON."""

    def __init__(self, document: Mapping[str, Any], path: str, method: str, callback: str) -> None:
        self._registry: Any = Registry().with_resource("urn:d", Resource.from_contents(document, DRAFT202012))
        ((self.key, item),) = document["paths"][path][method]["callbacks"][callback].items()
        ((self.method, self.operation),) = item.items()
        self._document = document
        self._pointer = ["paths", path, method, "callbacks", callback, self.key, self.method]
        self._parameters = [
            (index, self._follow(node)) for index, node in enumerate(self.operation.get("parameters", []))
        ]

    def judge_request(self, captured: Captured, base: str, sources: Mapping[str, str]) -> None:
        """Assert that a request is the documented one; `sources` are the values of the key's expressions."""
        assert captured.method == self.method.upper()
        holes, query = self._judge_target(captured.target, base, sources)
        self._judge_parameters(captured, holes, query)
        self._judge_body(captured)

    def is_answer_documented(self, status: int, media_type: str, body: bytes) -> bool:
        """Whether the document promises this answer."""
        responses = self.operation["responses"]
        code = next((c for c in (str(status), f"{status // 100}XX", "default") if c in responses), None)
        if code is None:
            return False
        content = self._follow(responses[code]).get("content")
        if not content:
            return True
        if media_type not in content:
            return False
        value: Any = body.decode()
        if "json" in media_type:
            try:
                value = json.loads(body, parse_constant=_refuse)
            except ValueError:
                # Where any value may come, nothing is promised, JSON neither.
                return bool(content[media_type].get("schema", {}) == {})
        validator = self._validator("responses", code, "content", media_type, "schema")
        return bool(validator.is_valid(value))

    def _judge_target(
        self, target: str, base: str, sources: Mapping[str, str]
    ) -> tuple[dict[str, str], list[tuple[str, str]]]:
        """The texts of the callback's own path parameters, and the query that only its parameters can be."""
        template_path, _, template_query = self.key.partition("?")
        expression, template_path = re.fullmatch(r"\{(\$[^}]*)\}(.*)", template_path).groups()  # type: ignore[union-attr]
        assert expression == "$request.query.hook"
        given = urlsplit(base)
        path, _, query = target.partition("?")
        before = given.path.rstrip("/") if template_path else given.path or "/"
        pattern = re.escape(before)
        for literal, source, hole in re.findall(r"([^{]+)|\{(\$[^}]*)\}|\{(\w+)\}", template_path):
            pattern += (
                re.escape(literal or quote(sources.get(source, ""), safe=""))
                if not hole
                else f"(?P<{hole}>[^/]+)"
            )
        found = re.fullmatch(pattern, path)
        assert found, (path, pattern)
        for source, value in sources.items():
            template_query = template_query.replace(f"{{{source}}}", quote(value, safe=""))
        first = "&".join(part for part in (given.query, template_query) if part)
        assert query.startswith(first), (query, first)
        rest = query[len(first) :].removeprefix("&")
        return {name: unquote(text) for name, text in found.groupdict().items()}, _pairs(rest)

    def _judge_parameters(
        self, captured: Captured, holes: Mapping[str, str], query: Sequence[tuple[str, str]]
    ) -> None:
        cookies = [
            cookie.split("=", 1) for value in captured.header("cookie") for cookie in value.split("; ")
        ]
        given: dict[str, dict[str, list[str]]] = {"path": {name: [text] for name, text in holes.items()}}
        for place, pairs in (("query", query), ("cookie", [(n, unquote(v)) for n, v in cookies])):
            given[place] = {name: [text for other, text in pairs if other == name] for name, _ in pairs}
        given["header"] = {
            name: captured.header(name) for name, _ in captured.headers if name not in _OF_HTTP
        }
        given["header"].pop("cookie", None)
        for index, parameter in self._parameters:
            place, name = parameter["in"], parameter["name"]
            texts = given[place].pop(name.lower() if place == "header" else name, None)
            if texts is None:
                assert not parameter.get("required"), f"{place} parameter {name!r} is required and not sent"
                continue
            validator = self._validator("parameters", str(index), "schema")
            lists = [texts] if place in {"query", "cookie"} else [text.split(",") for text in texts]
            assert any(map(validator.is_valid, _readings(texts, lists))), (place, name, texts)
        assert given == {"path": {}, "query": {}, "cookie": {}, "header": {}}, "something is not documented"

    def _judge_body(self, captured: Captured) -> None:
        declared = self._follow(self.operation.get("requestBody", {}))
        if not captured.body:
            assert not declared.get("required")
            assert not captured.header("content-type")
            return
        (media_type,) = captured.header("content-type")
        validator = self._validator("requestBody", "content", media_type, "schema")
        if media_type == "application/x-www-form-urlencoded":
            validator.validate(self._form(captured.body, declared["content"][media_type]["schema"]))
        elif media_type == "text/plain":
            validator.validate(captured.body.decode())
        else:
            validator.validate(json.loads(captured.body, parse_constant=_refuse))

    def _form(self, body: bytes, schema: Mapping[str, Any]) -> dict[str, Any]:
        fields = [tuple(map(unquote_plus, field.split("=", 1))) for field in body.decode("ascii").split("&")]
        value: dict[str, Any] = {}
        for name in dict.fromkeys(name for name, _ in fields):
            texts = [text for other, text in fields if other == name]
            validator = self._at(f"{schema['$ref']}/properties/{_token(name)}")
            value[name] = next(filter(validator.is_valid, _readings(texts, [texts])), texts)
        return value

    def _follow(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in node:
            found: Any = self._document
            for token in node["$ref"].removeprefix("#/").split("/"):
                found = found[token.replace("~1", "/").replace("~0", "~")]
            node = found
        return node

    def _validator(self, *pointer: str) -> jsonschema.Draft202012Validator:
        return self._at("#/" + "/".join(map(_token, (*self._pointer, *pointer))))

    def _at(self, pointer: str) -> jsonschema.Draft202012Validator:
        return jsonschema.Draft202012Validator(
            {"$ref": "urn:d" + quote(pointer, safe="#/~")},
            registry=self._registry,
            format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER,
        )


def _token(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _pairs(query: str) -> list[tuple[str, str]]:
    return parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))


def _readings(texts: Sequence[str], lists: Sequence[Sequence[str]]) -> Iterator[Any]:
    """What the text of a parameter may mean: URLs and header fields know no types, the schema does."""
    for text in texts if len(texts) == 1 else ():
        yield text
        if _JSON_SCALAR.fullmatch(text):
            yield json.loads(text)
    for items in lists:
        yield list(items)
        yield [_scalars(item)[-1] for item in items]
        if len(items) <= 6:
            yield from map(list, itertools.product(*map(_scalars, items)))


def _scalars(text: str) -> list[Any]:
    return [text, json.loads(text)] if _JSON_SCALAR.fullmatch(text) else [text]


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")
