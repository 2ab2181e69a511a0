"""The guard's verdict on one URL, step by step, for an operator who asks why."""

from dataclasses import dataclass

from ringback._errors import Blocked, InvalidUrl
from ringback._guard import Guard, Unresolved
from ringback._urls import Url, literal_address, parse_url

__all__ = ["Step", "explain"]


@dataclass(frozen=True, slots=True)
class Step:
    """One question that was asked of a URL, whether it passed, and the answer."""

    question: str
    passed: bool
    answer: str


async def explain(guard: Guard, text: str, timeout: float = 3.0) -> list[Step]:
    """Every step up to the first that fails, but all addresses of a name; nothing is connected to.

    The URL may be called if all steps passed. `timeout` bounds the lookup, in seconds.
    """
    try:
        url = parse_url(text)
    except InvalidUrl as error:
        return [Step("Is it a URL that may be called?", False, error.reason)]
    steps = [Step("Is it a URL that may be called?", True, f"host {url.host}, port {url.port}")]
    question = "Does the policy allow it, before any lookup?"
    try:
        guard.policy.check_url(url)
    except Blocked as error:
        return [*steps, Step(question, False, error.reason)]
    steps.append(Step(question, True, "nothing rules it out"))
    if literal_address(url.host) is None:
        steps += await _explain_addresses(guard, url, timeout)
    return steps


async def _explain_addresses(guard: Guard, url: Url, timeout: float) -> list[Step]:
    question = "Does the name have addresses?"
    try:
        found = await guard.resolve(url.host, timeout)
    except Unresolved as error:
        return [Step(question, False, error.reason)]
    steps = [Step(question, True, ", ".join(str(address) for address in found))]
    for address in found:
        try:
            guard.policy.check_address(url, address)
            steps.append(Step(f"May {address} be called?", True, "allowed"))
        except Blocked as error:
            steps.append(Step(f"May {address} be called?", False, error.reason))
    return steps
