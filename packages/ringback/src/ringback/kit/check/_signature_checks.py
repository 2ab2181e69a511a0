"""Checks of verification: what is signed is taken, and nothing else is."""

from collections.abc import Callable, Iterator
from functools import partial

from ringback._message import Request
from ringback._signing import new_message_id, new_secret
from ringback.kit.check._checks import Check, takes, turns_away
from ringback.kit.check._judging import refused
from ringback.kit.check._provider import Provider
from ringback.kit.check._results import Flaw, Severity

__all__ = ["signature_checks"]

_MUST, _SHOULD = Severity.MUST, Severity.SHOULD
_HOUR = 3600.0
_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")

Make = Callable[[Provider], Request]


def signature_checks(provider: Provider) -> Iterator[Check]:
    """All that a Standard Webhooks receiver has to tell apart."""
    yield from _taken(provider)
    yield from _forged(provider)
    yield from _at_the_wrong_time()
    yield from _malformed()


def _taken(provider: Provider) -> Iterator[Check]:
    if len(provider.secrets) > 1:
        each: list[Make] = [_signed_with(secret) for secret in provider.secrets]
        yield takes("signature.each-key", "Each of the secrets is enough", _MUST, *each)
    yield takes(
        "signature.rotation",
        "While a key is rotated, one good signature among two is enough",
        _MUST,
        lambda p: p.request(secrets=[p.secrets[0], new_secret()]),
        lambda p: p.request(secrets=[new_secret(), p.secrets[0]]),
    )
    yield takes(
        "signature.other-version",
        "Signatures of unknown versions beside a good one are skipped",
        _MUST,
        lambda p: _with_signature(p, lambda good: f"v9,bm90aGluZw== {good}"),
        lambda p: _with_signature(p, lambda good: f"{good} v1a,bm90aGluZw=="),
    )
    yield takes(
        "signature.header-case",
        "Header names are read without case",
        _MUST,
        lambda p: _renamed(p, {name: name.title() for name in _HEADERS}),
    )
    yield takes(
        "signature.two-minutes",
        "A request that was two minutes on its way is taken",
        _SHOULD,
        lambda p: p.request(age=120),
    )


def _forged(provider: Provider) -> Iterator[Check]:
    yield turns_away(
        "signature.none",
        "A request without any signature is refused",
        _MUST,
        "Nothing was signed",
        lambda p: p.request(changed=dict.fromkeys(_HEADERS)),
    )
    for name in _HEADERS:
        yield turns_away(
            f"signature.no-{name.removeprefix('webhook-')}",
            f"A request without {name} is refused",
            _MUST,
            f"{name} was missing",
            partial(_without, name),
        )
    yield turns_away(
        "signature.other-key",
        "A signature by another secret is refused",
        _MUST,
        "The signature was made with another secret",
        lambda p: p.request(secrets=[new_secret()]),
    )
    if provider.good.body:
        yield from _altered()
    yield Check(
        "signature.other-id",
        "A request that was taken is refused under another message id",
        _MUST,
        _under_another_id,
    )
    yield from _nearly_right()


def _altered() -> Iterator[Check]:
    yield turns_away(
        "signature.other-body",
        "A body that was exchanged after signing is refused",
        _MUST,
        "The body is not the one that was signed",
        lambda p: p.request(p.other, signed=p.good.body),
    )
    yield turns_away(
        "signature.other-bytes",
        "A body with other white space than was signed is refused",
        _MUST,
        "The bytes are not those that were signed",
        lambda p: p.request(p.good.body + b"\n", signed=p.good.body),
    )


def _nearly_right() -> Iterator[Check]:
    yield turns_away(
        "signature.prefix",
        "A part of the signature is no signature",
        _MUST,
        "The signature was cut short",
        lambda p: _with_signature(p, lambda good: good[:12]),
        lambda p: _with_signature(p, lambda good: good.partition(",")[0] + ","),
    )
    yield turns_away(
        "signature.case",
        "A signature in the wrong case is refused",
        _MUST,
        "The signature's case was changed",
        lambda p: _with_signature(p, lambda good: "v1," + good.partition(",")[2].swapcase()),
    )
    yield turns_away(
        "signature.version",
        "A good signature under another version's name is refused",
        _SHOULD,
        "The signature says that it is of another version",
        lambda p: _with_signature(p, lambda good: "v9," + good.partition(",")[2]),
    )


def _at_the_wrong_time() -> Iterator[Check]:
    yield turns_away(
        "time.stale",
        "A request that was signed an hour ago is refused",
        _MUST,
        "The request was signed an hour ago, so it may be a replay",
        lambda p: p.request(age=_HOUR),
    )
    yield turns_away(
        "time.future",
        "A request that was signed an hour ahead is refused",
        _MUST,
        "The request was signed an hour ahead, so it could be replayed until then",
        lambda p: p.request(age=-_HOUR),
    )
    yield turns_away(
        "time.refreshed",
        "An old request with a new timestamp is refused",
        _MUST,
        "The timestamp is not the one that was signed, so the signature does not cover it",
        _refreshed,
    )
    yield turns_away(
        "time.junk",
        "A timestamp that is no number is refused",
        _MUST,
        "webhook-timestamp was no number",
        lambda p: p.request(changed={"webhook-timestamp": "yesterday"}),
    )


def _malformed() -> Iterator[Check]:
    for name, text in {
        "base64": "v1,!!!",
        "words": "garbage",
        "commas": ",,,",
        "many": "v1,AAAA " * 40,
    }.items():
        yield turns_away(
            f"signature.malformed-{name}",
            "A signature header that cannot be read is refused",
            _MUST,
            f"webhook-signature was {text[:20]!r}",
            partial(_with_text, text.strip()),
        )


async def _under_another_id(provider: Provider) -> list[Flaw]:
    request = provider.request()
    await provider.send(request)  # so that a receiver that remembers signatures knows this one
    changed = {"webhook-id": new_message_id(request.url.path)}
    headers = tuple((name, changed.get(name, value)) for name, value in request.headers)
    sent = await provider.send(_with_headers(request, headers))
    return refused(provider, sent, _MUST, "webhook-id is not the one that was signed")


def _signed_with(secret: str) -> Make:
    return lambda provider: provider.request(secrets=[secret])


def _without(name: str, provider: Provider) -> Request:
    return provider.request(changed={name: None})


def _with_headers(request: Request, headers: tuple[tuple[str, str], ...]) -> Request:
    return Request(request.method, request.url, headers, request.body)


def _with_text(text: str, provider: Provider) -> Request:
    return provider.request(changed={"webhook-signature": text})


def _with_signature(provider: Provider, change: Callable[[str], str]) -> Request:
    request = provider.request()
    headers = tuple(
        (name, change(value) if name == "webhook-signature" else value) for name, value in request.headers
    )
    return _with_headers(request, headers)


def _renamed(provider: Provider, names: dict[str, str]) -> Request:
    request = provider.request()
    headers = tuple((names.get(name, name), value) for name, value in request.headers)
    return _with_headers(request, headers)


def _refreshed(provider: Provider) -> Request:
    now = dict(provider.request().headers)["webhook-timestamp"]
    return provider.request(age=_HOUR, changed={"webhook-timestamp": now})
