"""Why a URL may or may not be called, one step of the guard after another."""

import asyncio
from collections.abc import AsyncIterator

from ringback._errors import Blocked, InvalidUrl
from ringback._guard import Guard, Unresolved
from ringback._urls import IPAddress, Url, is_inside_name, literal_address, parse_url
from ringback.cli._findings import Finding, ok, problem

__all__ = ["explain"]

_RESOLVE_SECONDS = 5.0


def explain(guard: Guard, text: str, whose_policy: str) -> list[Finding]:
    """Each step with its finding, the verdict last; it ends at the step that refuses."""

    async def collect() -> list[Finding]:
        return [finding async for finding in _steps(guard, text, whose_policy)]

    return asyncio.run(collect())


async def _steps(guard: Guard, text: str, whose_policy: str) -> AsyncIterator[Finding]:
    try:
        url = parse_url(text)
    except InvalidUrl as error:
        yield problem("grammar", str(error), "Give a URL in this form; `bind` refuses it with a 422.")
        return
    yield ok("grammar", f"{url.scheme} to port {url.port} of {url.host}, request target {url.target}")
    yield ok("policy", f"{whose_policy}: {_policy(guard)}")
    try:
        guard.policy.check_host(url.host)
        yield ok("host", _host(url))
        guard.policy.check_url(url)
    except Blocked as error:
        yield _blocked("host" if literal_address(url.host) is None else "address", error)
        return
    try:
        found = await guard.resolve(url.host, _RESOLVE_SECONDS) if literal_address(url.host) is None else ()
    except Unresolved as error:
        yield _unresolved(error)
        return
    addresses = found or (literal_address(url.host),)
    if found:
        yield ok(
            "name", f"{url.host} resolves to {', '.join(map(str, found))}; one bad address refuses them all"
        )
    judged = [_address(guard, url, address) for address in addresses if address is not None]
    for finding in judged:
        yield finding
    if all(finding.level == "ok" for finding in judged):
        yield ok(
            "verdict", "it may be called: an attempt connects to what was judged here and to nothing else"
        )


def _address(guard: Guard, url: Url, address: IPAddress) -> Finding:
    try:
        guard.policy.check_address(url, address)
    except Blocked as error:
        return _blocked(f"address {address}", error)
    if guard.policy.is_allowed(address):
        return ok(f"address {address}", "in allow_networks, so port, scheme and name are free")
    return ok(f"address {address}", "public, on an allowed port")


def _policy(guard: Guard) -> str:
    policy = guard.policy
    parts = [f"ports {', '.join(map(str, sorted(policy.ports)))}"]
    if policy.https_only:
        parts.append("https only")
    for name in ("allow_networks", "allow_hosts", "deny_hosts"):
        if entries := getattr(policy, name):
            parts.append(f"{name} {', '.join(sorted(map(str, entries)))}")
    return "; ".join(parts)


def _host(url: Url) -> str:
    if literal_address(url.host) is not None:
        return f"{url.host} is an address, no name is asked for"
    if is_inside_name(url.host):
        return f"{url.host} is a name of inside networks: it must lead into allow_networks"
    return f"{url.host} is a name of the public internet"


def _blocked(step: str, error: Blocked) -> Finding:
    return problem(step, str(error), "It is not called: `bind` answers 422, and an attempt fails as blocked.")


def _unresolved(error: Unresolved) -> Finding:
    return problem(
        "name",
        str(error),
        "`bind` accepts it, attempts fail and are tried again. Check the name and this machine's DNS.",
    )
