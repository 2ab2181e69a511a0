"""Plays all checks against one receiver, in an order in which each can be understood."""

import ssl
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ringback._errors import RingbackError
from ringback._guard import Guard, NetworkPolicy
from ringback._message import Failure, FailureReason
from ringback._resolver import SystemResolver
from ringback._signing import check_secrets
from ringback._tls import default_context
from ringback._transport import Transport
from ringback._urls import Url, parse_url
from ringback.kit._calls import Caller
from ringback.kit._declared import Declared
from ringback.kit.check._delivery_checks import delivery_checks
from ringback.kit.check._event_checks import invalid_event_checks, unusual_event_checks, valid_event_checks
from ringback.kit.check._provider import Provider
from ringback.kit.check._results import Flaw, Report, Result, Severity
from ringback.kit.check._signature_checks import signature_checks

__all__ = ["check_receiver"]

_NOT_THERE = frozenset(
    {
        FailureReason.BLOCKED,
        FailureReason.UNRESOLVED,
        FailureReason.CONNECT_REFUSED,
        FailureReason.UNREACHABLE,
    }
    | {FailureReason.CONNECT_TIMEOUT, FailureReason.TLS_CERTIFICATE, FailureReason.TLS_HANDSHAKE}
)

Progress = Callable[[int, int, str], None]
"""Told before each check: how many are done, how many there are, and its title."""


async def check_receiver(
    url: str,
    document: Mapping[str, Any],
    declared: Declared,
    *,
    secrets: Sequence[str] = (),
    values: Mapping[str, str] | None = None,
    only: str = "*",
    timeout: float = 20.0,
    roots: Path | None = None,
    progress: Progress | None = None,
) -> Report:
    """Play the provider of one callback against the receiver at `url`, the base that a provider is given.

    Nothing is sent to any other host, and no redirect is followed. `values` are texts for the expressions in
    the callback's URL, `only` a pattern for the checks' names, `timeout` the seconds that each exchange may
    take, `roots` a PEM file of authorities to trust besides the system's. Raises `RingbackError` where
    nothing listens, or no event can be made.
    """
    base = parse_url(url)
    if secrets:
        check_secrets(secrets)
    guard = _guard(base)
    context = _trusting(roots)
    transport = Transport(guard, ssl_context=context)
    try:
        caller = Caller(document, declared, base, values or {})
        provider = Provider(caller, secrets, transport, guard=guard, ssl_context=context, timeout=timeout)
        await _look(provider)
        results = await _play_all(provider, only, progress or _silent)
    finally:
        await transport.close()
    return Report(url, declared.name, results)


def _guard(base: Url) -> Guard:
    # Whoever types the URL may call their own machine. Another host is never asked for, nor called.
    policy = NetworkPolicy.from_settings(["0.0.0.0/0", "::/0"], allow_hosts=[base.host])
    return Guard(policy, SystemResolver())


def _trusting(roots: Path | None) -> ssl.SSLContext:
    context = default_context()
    if roots is not None:
        try:
            context.load_verify_locations(cafile=roots)
        except (OSError, ssl.SSLError) as error:
            raise RingbackError(f"{roots} holds no certificates in PEM: {error}. Check the path.") from None
    return context


async def _look(provider: Provider) -> None:
    """One event, to tell a receiver that is wrong from one that is not there."""
    sent = await provider.send(provider.request())
    if isinstance(sent.answer, Failure) and sent.answer.reason in _NOT_THERE:
        raise RingbackError(
            f"{sent.request.url.origin} cannot be called: {sent.answer.detail}. Start the receiver, or "
            "correct the URL."
        )


async def _play_all(provider: Provider, only: str, progress: Progress) -> list[Result]:
    first = list(valid_event_checks(provider))
    rest = [*unusual_event_checks(provider), *delivery_checks(provider), *invalid_event_checks(provider)]
    signed = list(signature_checks(provider)) if provider.secrets else []
    chosen = [check for check in (*first, *rest, *signed) if fnmatchcase(check.name, only)]
    if not chosen:
        raise RingbackError(f"No check is named {only!r}. Without --only, all of them are played and named.")
    results: list[Result] = []
    reason = ""
    for number, check in enumerate(chosen):
        progress(number, len(chosen), check.title)
        if not reason and check not in first and _nothing_was_accepted(results):
            reason = "no event at all was accepted, so this would tell nothing"
        flaws = [] if reason else await check.play(provider)
        results.append(Result(check.name, check.title, check.severity, tuple(flaws), reason))
        if not reason and _is_gone(flaws):
            reason = f"the receiver does not listen any more since {check.name}"
    progress(len(chosen), len(chosen), "")
    if not provider.secrets:
        reason = "no --secret was given, so nothing could be signed"
        title = "Only what the provider has signed is accepted"
        results.append(Result("signature", title, Severity.MUST, reason=reason))
    return results


def _is_gone(flaws: Sequence[Flaw]) -> bool:
    answers = [flaw.sent.answer for flaw in flaws]
    return any(isinstance(a, Failure) and a.reason is FailureReason.CONNECT_REFUSED for a in answers)


def _nothing_was_accepted(results: Sequence[Result]) -> bool:
    events = [result for result in results if result.name.startswith("event.")]
    return bool(events) and all(result.worst is Severity.MUST for result in events)


def _silent(_done: int, _all: int, _title: str) -> None:
    pass
