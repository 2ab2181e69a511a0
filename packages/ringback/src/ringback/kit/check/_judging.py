"""What an answer says of a receiver: whether it took what it must take, and refused what it must refuse."""

from collections.abc import Iterator

from ringback._message import Failure, Response
from ringback._signing import sign
from ringback.kit.check._provider import Provider
from ringback.kit.check._results import Flaw, Sent, Severity

__all__ = ["accepted", "refused"]

_SLOW_SHARE = 0.25
_TRACES = (b"Traceback (most recent call last)", b"    at Object.", b"\n    at ", b"Exception in thread")


def accepted(provider: Provider, sent: Sent, severity: Severity) -> list[Flaw]:
    """The flaws of an answer to an event that the document allows: a documented 2xx is due, in time."""
    return [*_not_accepted(provider, sent, severity), *_told_too_much(provider, sent)]


def refused(provider: Provider, sent: Sent, severity: Severity, why: str) -> list[Flaw]:
    """The flaws of an answer to what no receiver may believe; `why` says what was wrong with the request."""
    return [*_not_refused(sent, severity, why), *_told_too_much(provider, sent)]


def _not_accepted(provider: Provider, sent: Sent, severity: Severity) -> Iterator[Flaw]:
    answer = sent.answer
    if isinstance(answer, Failure):
        yield Flaw(severity, f"There was no answer: {answer.detail}.", sent)
        return
    judged = provider.caller.declared.contract.check(answer.status_code, answer.headers, answer.body)
    if not 200 <= answer.status_code < 300:
        yield Flaw(severity, f"An event as documented was answered with {_of(answer)}.", sent)
    elif answer.body_error:
        yield Flaw(severity, f"The answer's body is not readable: {answer.body_error}.", sent)
    elif judged.breach:
        yield Flaw(severity, f"The answer breaks the document: {judged.breach}.", sent)
    if sent.seconds > provider.timeout * _SLOW_SHARE:
        reason = f"The answer took {sent.seconds:.1f} s. Answer first, and work afterwards."
        yield Flaw(Severity.SHOULD, reason, sent)


def _not_refused(sent: Sent, severity: Severity, why: str) -> Iterator[Flaw]:
    answer = sent.answer
    if isinstance(answer, Failure):
        yield Flaw(Severity.SHOULD, f"{why}, and there was no answer: {answer.detail}. Refuse it.", sent)
    elif 200 <= answer.status_code < 300:
        yield Flaw(severity, f"{why}, and it was accepted with {answer.status_code}.", sent)
    elif not 400 <= answer.status_code < 500:
        reason = f"{why}, and the answer was {_of(answer)}. Refuse it with a 4xx."
        yield Flaw(Severity.SHOULD, reason, sent)


def _told_too_much(provider: Provider, sent: Sent) -> Iterator[Flaw]:
    if not isinstance(sent.answer, Response):
        return
    body = sent.answer.body
    if any(secret in body for secret in _secrets_of(provider, sent)):
        yield Flaw(Severity.MUST, "The answer shows the secret, or the signature that would do.", sent)
    if any(trace in body for trace in _TRACES):
        yield Flaw(Severity.SHOULD, "The answer shows a stack trace of the receiver.", sent)


def _secrets_of(provider: Provider, sent: Sent) -> Iterator[bytes]:
    """The secrets, and for a request that has none of them the signatures that it lacks."""
    fields = dict(sent.request.headers)
    given = fields.get("webhook-signature", "")
    message_id, timestamp = fields.get("webhook-id"), fields.get("webhook-timestamp", "")
    for secret in provider.secrets:
        yield secret.partition("_")[2].encode()
        if message_id and timestamp.isdecimal():
            signature = sign([secret], message_id, int(timestamp), sent.request.body)
            if signature not in given:
                yield signature.partition(",")[2].encode()


def _of(answer: Response) -> str:
    where = next((value for name, value in answer.headers if name == "location"), "")
    if 300 <= answer.status_code < 400:
        return f"{answer.status_code}, a redirect to {where[:80]!r}, which no provider follows"
    hint = answer.body[:120].decode("utf-8", "replace").strip()
    return f"{answer.status_code}" + (f": {hint}" if hint else "")
