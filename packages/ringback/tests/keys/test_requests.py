"""Requests carry the signatures of every key that signs today, and each verifies by its own key alone."""

from typing import Any

import pytest

from ringback._signing import new_secret
from ringback.receiver import InvalidSignature, Receiver

HOUR = 3600.0

Provider = Any
Received = Any


def kinds(request: Received) -> list[str]:
    return [signature.partition(",")[0] for signature in request.headers["webhook-signature"].split()]


def accepts(provider: Provider, request: Received, *keys: str) -> bool:
    """Whether the kit, given these keys, accepts the request as it came in."""
    try:
        Receiver(*keys, clock=provider.clock).verify(request.headers, request.body, request.target)
    except InvalidSignature:
        return False
    return True


async def test_without_a_word_requests_carry_one_shared_secrets_signature(provider: Provider) -> None:
    request = await provider.called("acme")
    assert kinds(request) == ["v1"]
    assert accepts(provider, request, await provider.ask(provider.ringback.signing_secret, owner="acme"))


async def test_an_owner_that_asked_gets_both_signatures_and_others_do_not(provider: Provider) -> None:
    public = await provider.ask(provider.ringback.public_key, owner="acme")
    secret = await provider.ask(provider.ringback.signing_secret, owner="acme")
    request = await provider.called("acme")
    assert kinds(request) == ["v1", "v1a"]
    assert accepts(provider, request, secret)
    assert accepts(provider, request, public)
    assert not accepts(provider, request, new_secret())
    assert kinds(await provider.called("other")) == ["v1"]


async def test_a_key_pair_alone_brings_a_shared_secret_with_it(provider: Provider) -> None:
    await provider.ask(provider.ringback.public_key, owner="acme")
    assert kinds(await provider.called("acme")) == ["v1", "v1a"]
    assert [key.kind for key in await provider.ask(provider.ringback.keys, owner="acme")] == ["v1", "v1a"]


@pytest.mark.parametrize("kind", ["v1", "v1a"])
async def test_for_a_day_the_old_key_signs_beside_the_new_one_and_then_no_more(
    open_provider: Any, kind: str
) -> None:
    # The worker keeps secrets for some seconds of real time, so each step has a worker of its own.
    async with open_provider() as provider:
        create, rotate = {
            "v1": (provider.ringback.signing_secret, provider.ringback.rotate_secret),
            "v1a": (provider.ringback.public_key, provider.ringback.rotate_key_pair),
        }[kind]
        old = await provider.ask(create, owner="acme")
        new = await provider.ask(rotate, owner="acme")
        assert new == await provider.ask(create, owner="acme") != old
        provider.clock.advance(23 * HOUR)
        request = await provider.called("acme")
        assert accepts(provider, request, old)
        assert accepts(provider, request, new)
        assert kinds(request).count(kind) == 2
        then = provider.clock.now
    async with open_provider() as provider:
        provider.clock.now = then + 2 * HOUR
        request = await provider.called("acme")
        assert accepts(provider, request, new)
        assert not accepts(provider, request, old)
        assert kinds(request).count(kind) == 1
