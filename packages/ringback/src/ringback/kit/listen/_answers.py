"""What a callback is answered: an example of the documented answer, or why the request was refused."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ringback._contract import Contract
from ringback._errors import RingbackError
from ringback._openapi.answer import declared_responses, is_json
from ringback._openapi.schemas import Schema
from ringback.kit._behave import Answer
from ringback.kit._declared import Declared
from ringback.kit._examples import example
from ringback.kit._wire import encode_answer
from ringback.kit.listen._checks import Check, Finding

__all__ = ["GIVEN_NONE", "documented_answer", "refusal"]

GIVEN_NONE: Final = object()

# What may surprise whoever reads JSON; the first one that the document does not allow is taken.
_SURPRISES: Final[Sequence[Any]] = ([{"unheard": "of"}], {"unheard": ["of"]}, "unheard of", -0.5, None, True)


def documented_answer(document: Mapping[str, Any], declared: Declared, given: Any = GIVEN_NONE) -> Answer:
    """The first documented 2xx answer with an example of its body, or with the body that was `given`.

    Raises `RingbackError` where no example can be made, and where the given one breaks the document.
    """
    responses = declared_responses(document, declared.place.operation, {})
    code = next((code for code in responses if code.startswith("2")), "default")
    status = int(code.replace("X", "0")) if code != "default" else 200
    if code not in responses:
        raise RingbackError(
            f"{declared.name}: the document declares no 2xx answer, so there is none to give. Declare one."
        )
    content = responses[code].content
    media_type = next((name for name in content if is_json(name)), next(iter(content), ""))
    if not media_type:
        return Answer(status, b"", "")
    schema = content[media_type]
    value = _body(declared.name, schema, given)
    media_type = "application/json" if media_type == "*/*" else media_type
    body = json.dumps(value).encode() if is_json(media_type) or not isinstance(value, str) else value.encode()
    return Answer(status, body, media_type, _surprise(declared.contract, status, media_type))


def refusal(checks: Sequence[Check]) -> tuple[int, bytes]:
    """The status and the bytes by which a right receiver refuses a request with these flaws."""
    wrong = [check for check in checks if check.finding is Finding.WRONG]
    status = 403 if any(check.subject == "signature" for check in wrong) else 422
    detail = "; ".join(f"{check.subject}: {check.text}" for check in wrong)
    return status, problem(status, "Not as documented" if status == 422 else "Forbidden", detail)


def problem(status: int, title: str, detail: str, headers: Sequence[tuple[str, str]] = ()) -> bytes:
    """An answer that says what was wrong (RFC 9457)."""
    body = json.dumps({"title": title, "status": status, "detail": detail}).encode()
    return encode_answer(status, [("content-type", "application/problem+json"), *headers], body)


def _body(name: str, schema: Schema, given: Any) -> Any:
    if given is not GIVEN_NONE:
        if breach := schema.breach(given):
            raise RingbackError(f"{name}: the answer that you gave breaks the document at {breach}.")
        return given
    try:
        return example(schema)
    except ValueError:
        raise RingbackError(
            f"{name}: no example of the documented answer could be made. Give one with --answer, as JSON."
        ) from None


def _surprise(contract: Contract, status: int, media_type: str) -> bytes:
    texts = [json.dumps(value).encode() for value in _SURPRISES]
    fields = [("content-type", media_type)]
    wrong = (text for text in texts if contract.check(status, fields, text).breach is not None)
    return next(wrong, b"{")  # where any JSON value is allowed, only what is none surprises
