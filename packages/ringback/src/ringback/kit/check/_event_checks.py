"""Checks of events: what the document allows is taken and answered so, what it forbids is refused."""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from ringback._message import Request
from ringback._openapi.answer import is_json
from ringback.kit.check._checks import Check, takes, turns_away
from ringback.kit.check._events import grown, invalid_bodies, with_unknown_fields
from ringback.kit.check._provider import Provider
from ringback.kit.check._results import Severity

__all__ = ["invalid_event_checks", "unusual_event_checks", "valid_event_checks"]

_MUST, _SHOULD = Severity.MUST, Severity.SHOULD
_LARGE: Final = 64_000
_ENCODED: Final = "Zoë 5 € & co."


def valid_event_checks(provider: Provider) -> Iterator[Check]:
    """Each event that was found or made; without one of them accepted, nothing else tells much."""
    for number, payload in enumerate(provider.events, 1):
        yield takes(
            f"event.{number}",
            f"A documented event is answered as documented: {_shown(payload.body)}",
            _MUST,
            lambda p, payload=payload: p.request(payload=payload),  # type: ignore[misc]
        )


def unusual_event_checks(provider: Provider) -> Iterator[Check]:
    """Events that are as documented, and written in another way or with more than usual."""
    body, good = provider.caller.body, provider.good.value
    if body is not None and is_json(body.media_type):
        yield takes(
            "event.spelling",
            "JSON that is spelled in another way is the same event, and its bytes are what is signed",
            _MUST,
            lambda p: p.request(_respelled(p.good.value)),
        )
        yield takes(
            "event.charset",
            "A content type that names its charset is understood",
            _SHOULD,
            lambda p: p.request(changed={"content-type": f"{body.media_type}; charset=utf-8"}),
        )
        unknown, large = with_unknown_fields(provider.caller, good), grown(provider.caller, good, _LARGE)
        if unknown is not None:
            title = "Fields that the document does not name are ignored: a later version may add some"
            yield takes("event.unknown-fields", title, _SHOULD, partial(_with_body, unknown))
        if large is not None:
            title = f"An event of {_LARGE:,} characters is taken"
            yield takes("event.large", title, _SHOULD, partial(_with_body, large))
    yield takes(
        "event.unknown-headers",
        "Header fields that nobody expects are ignored",
        _SHOULD,
        lambda p: p.request(
            headers=[("traceparent", "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"), ("x-new", "1")]
        ),
    )
    if (full := provider.caller.with_optional(provider.good)) is not None:
        title = "Headers and query parameters that may be left out are taken where they are there"
        yield takes("event.parameters", title, _MUST, lambda p: p.request(payload=full))
    if names := provider.caller.free_texts:
        yield takes(
            "event.encoded-url",
            "A value in the URL that had to be percent-encoded is understood",
            _SHOULD,
            lambda p: p.request(values=dict.fromkeys(names, _ENCODED)),
        )


def invalid_event_checks(provider: Provider) -> Iterator[Check]:
    """Signed bodies that break the document: a right receiver refuses them, and does not break itself."""
    caller = provider.caller
    if caller.body is None or not is_json(caller.body.media_type) or caller.body.schema.anything:
        return
    for name, words, body in invalid_bodies(caller, _fullest(provider)):
        title = f"{words}: refused with a 4xx"
        yield turns_away(f"invalid.{name}", title, _SHOULD, words, partial(_with_body, body))
    broken: dict[str, tuple[str, bytes]] = {
        "cut": ("The body is half of a JSON text", provider.good.body[: len(provider.good.body) // 2]),
        "empty": ("The body is empty", b""),
        "list": ("The body is a list of what is due", b"[" + provider.good.body + b"]"),
        "utf-8": ("The body is no UTF-8", b'{"\xff\xfe": 1}'),
    }
    for name, (words, body) in broken.items():
        if not _is_allowed(provider, body) and (body or caller.body.required):
            title = f"{words}: refused with a 4xx"
            yield turns_away(f"invalid.{name}", title, _SHOULD, words, partial(_with_body, body))


def _with_body(body: bytes, provider: Provider) -> Request:
    return provider.request(body)


def _fullest(provider: Provider) -> Any:
    return max(
        provider.events, key=lambda payload: len(payload.body) if len(payload.body) < 4096 else 0
    ).value


def _is_allowed(provider: Provider, body: bytes) -> bool:
    assert provider.caller.body is not None
    try:
        return provider.caller.body.schema.breach(json.loads(body)) is None
    except ValueError:
        return False


def _respelled(value: Any) -> bytes:
    """The same value with white space, other order and escapes, which no serializer would give back."""
    turned = dict(reversed(value.items())) if isinstance(value, dict) else value
    text = json.dumps(turned, indent=3, ensure_ascii=True, separators=(" ,", " : "))
    return f" {text}\n".encode()


def _shown(body: bytes) -> str:
    text = body[:60].decode("utf-8", "replace")
    return (text if len(body) <= 60 else text + "…") if body else "no body"
