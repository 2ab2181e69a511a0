"""The answer to a callback, judged by the responses that the published document declares."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from ringback._openapi.recursion import recursive_choices
from ringback._openapi.references import follow
from ringback._openapi.schemas import Schema, compile_schema, json_path

__all__ = [
    "MAX_ANSWER_BYTES",
    "MAX_ANSWER_DEPTH",
    "Answer",
    "AnswerReader",
    "Answers",
    "DeclaredResponse",
    "declared_responses",
    "is_deeper",
    "is_json",
    "read_json",
]

MAX_ANSWER_BYTES: Final = 65_536
"""Bytes of an answer that are read; a longer one is a breach."""

MAX_ANSWER_DEPTH: Final = 64
"""Arrays and objects inside one another; a deeper answer is a breach."""

_MAX_TRIALS: Final = 1000
_STRINGS: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_BRACKETS: Final = re.compile(rb"[\[{]+|[\]}]+")

Headers = Sequence[tuple[str, str]]


class Answer(NamedTuple):
    """What an answer is by the document.

    `declared` says whether its status is documented. `breach` is what in it breaks the document, with the
    JSON path, or None. `value` is the model that the callback declares for it, the JSON value where there
    is no model, and None after a breach.
    """

    declared: bool
    breach: str | None = None
    value: Any = None


@dataclass(frozen=True, slots=True)
class DeclaredResponse:
    """One entry of the operation's responses: a schema for each media type, none where no body is due.

    `depth` is how deep an answer may be. Where every level may be tried as several things, a hundred bytes
    would take a validator minutes: then it is what needs no more than a thousand trials.
    """

    content: Mapping[str, Schema]
    model: TypeAdapter[Any] | None = None
    depth: int = field(init=False)

    def __post_init__(self) -> None:
        choices = max((recursive_choices(schema.text) for schema in self.content.values()), default=1)
        depth = MAX_ANSWER_DEPTH if choices < 2 else max(2, int(math.log(_MAX_TRIALS, choices)))
        object.__setattr__(self, "depth", depth)


class Answers(Protocol):
    """What judges answers."""

    def check(self, status_code: int, headers: Headers, body: bytes) -> Answer:
        """The verdict on one answer. Never raises, whatever the receiver sent."""


class AnswerReader:
    """Judges answers by status, then by media type, then by schema."""

    __slots__ = ("_responses",)

    def __init__(self, responses: Mapping[str, DeclaredResponse]) -> None:
        self._responses = responses

    @property
    def models(self) -> Mapping[str, TypeAdapter[Any] | None]:
        """What answers are read into, by status."""
        return {code: response.model for code, response in self._responses.items()}

    def check(self, status_code: int, headers: Headers, body: bytes) -> Answer:
        """The verdict on one answer. Never raises, whatever the receiver sent."""
        responses = self._responses
        declared = (
            responses.get(str(status_code))
            or responses.get(f"{status_code // 100}XX")
            or responses.get("default")
        )
        if declared is None:
            known = ", ".join(responses) or "none"
            return Answer(False, f"status {status_code} is not documented (documented: {known})")
        if not declared.content:
            return Answer(True)
        media_type = _media_type(headers)
        schema = _schema_for(declared.content, media_type)
        if schema is None:
            return Answer(
                True,
                f"media type {media_type!r} is not documented (documented: {', '.join(declared.content)})",
            )
        if not is_json(media_type or next(iter(declared.content))):
            return _read_text(schema, body)
        return _read(schema, declared, body)


def declared_responses(
    document: Mapping[str, Any], operation: Mapping[str, Any], models: Mapping[str, TypeAdapter[Any]]
) -> dict[str, DeclaredResponse]:
    """The responses of a callback operation, compiled, each with its model where `models` has its status."""
    responses: dict[str, DeclaredResponse] = {}
    for code, node in operation.get("responses", {}).items():
        if str(code).startswith("x-"):
            continue
        content = follow(document, node).get("content", {})
        schemas = {
            media_type.lower(): compile_schema(document, follow(document, media).get("schema"))
            for media_type, media in content.items()
        }
        name = "default" if str(code) == "default" else str(code).upper()
        responses[name] = DeclaredResponse(schemas, models.get(name))
    return responses


def read_json(body: bytes, max_depth: int = MAX_ANSWER_DEPTH) -> Any:
    """Parse JSON within the caps, which are looked at first; raises ValueError with the reason."""
    if len(body) > MAX_ANSWER_BYTES:
        raise ValueError(f"has {len(body):,} bytes; at most {MAX_ANSWER_BYTES:,} are read")
    if len(body) > 2 * max_depth and is_deeper(body, max_depth):
        raise ValueError(f"holds more than {max_depth} arrays and objects inside one another")
    return from_json(body, allow_inf_nan=False)


def is_deeper(body: bytes, limit: int) -> bool:
    """Whether a JSON text nests deeper; told without parsing it, in linear time."""
    depth = 0
    for brackets in _BRACKETS.findall(_STRINGS.sub(b"", body)):
        depth += len(brackets) if brackets[0] in b"[{" else -len(brackets)
        if depth > limit:
            return True
    return False


def _read(schema: Schema, declared: DeclaredResponse, body: bytes) -> Answer:
    model = declared.model
    try:
        value = read_json(body, declared.depth)
    except ValueError as error:
        # A schema that allows anything promises nothing, so nothing is broken.
        return Answer(True) if schema.anything else Answer(True, f"the body cannot be read as JSON: {error}")
    breach = schema.breach(value)
    if breach is not None or model is None:
        return Answer(True, breach, None if breach else value)
    try:
        return Answer(True, None, model.validate_json(body))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        return Answer(
            True, f"as documented, but the model refuses {json_path(list(first['loc']))}: {first['msg']}"
        )


def _read_text(schema: Schema, body: bytes) -> Answer:
    text = body.decode("utf-8", "replace")
    breach = schema.breach(text)
    return Answer(True, breach, None if breach else text)


def is_json(media_type: str) -> bool:
    """Whether a media type is JSON (RFC 8259, or RFC 6839's ``+json``)."""
    return media_type == "application/json" or media_type.endswith("+json") or media_type == "*/*"


def _schema_for(content: Mapping[str, Schema], media_type: str) -> Schema | None:
    if not media_type:
        return next(iter(content.values()))
    found = content.get(media_type)
    if found is None:
        kind = media_type.partition("/")[0]
        found = content.get(f"{kind}/*") or content.get("*/*")
    return found


def _media_type(headers: Headers) -> str:
    for name, value in headers:
        if name.lower() == "content-type":
            return value.partition(";")[0].strip().lower()
    return ""
