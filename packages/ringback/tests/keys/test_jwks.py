"""The public keys, served as a JSON Web Key Set: verifiable by it, and one owner's apart from the others'."""

import base64
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from testkit.serving import served

Provider = Any


async def read(provider: Provider, **query: str) -> Any:
    """What the app serves as its key set."""
    async with served(provider.app) as url, httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"{url}/.well-known/jwks.json", params=query)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "public, max-age=600"
    return answer.json()["keys"]


def verifies(key: Any, request: Any) -> bool:
    """Check a v1a signature with nothing but the key of the set and a cryptographic library."""
    raw = base64.urlsafe_b64decode(key["x"] + "=")
    headers = request.headers
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + request.body
    [signature] = [s[4:] for s in headers["webhook-signature"].split() if s.startswith("v1a,")]
    try:
        Ed25519PublicKey.from_public_bytes(raw).verify(base64.b64decode(signature), content)
    except Exception:
        return False
    return True


async def test_the_set_holds_one_key_for_each_owner_that_asked(provider: Provider) -> None:
    assert await read(provider) == []
    for owner in ("acme", "other"):
        await provider.ask(provider.ringback.public_key, owner=owner)
    await provider.ask(provider.ringback.signing_secret, owner="third")
    found = await read(provider)
    assert len({key["kid"] for key in found}) == 2
    for key in found:
        assert {name: key[name] for name in ("kty", "crv", "alg", "use")} == {
            "kty": "OKP",
            "crv": "Ed25519",
            "alg": "EdDSA",
            "use": "sig",
        }
        assert set(key) == {"kty", "crv", "alg", "use", "kid", "x"}, "no private part, and no owner's name"


async def test_a_request_verifies_by_its_owners_key_of_the_set_and_by_no_other(provider: Provider) -> None:
    for owner in ("acme", "other"):
        await provider.ask(provider.ringback.public_key, owner=owner)
    [mine] = await provider.ask(provider.ringback.keys, owner="acme")
    request = await provider.called("acme")
    for key in await read(provider):
        assert verifies(key, request) == (key["kid"] == mine.fingerprint)


async def test_the_id_that_a_receiver_was_told_leads_to_its_owners_keys_after_a_rotation_too(
    provider: Provider,
) -> None:
    for owner in ("acme", "other"):
        await provider.ask(provider.ringback.public_key, owner=owner)
    [told] = [key.fingerprint for key in await provider.ask(provider.ringback.keys, owner="acme")]
    assert [key["kid"] for key in await read(provider, kid=told)] == [told]
    await provider.ask(provider.ringback.rotate_key_pair, owner="acme", overlap=60.0)
    both = [key["kid"] for key in await read(provider, kid=told)]
    assert both[0] == told
    assert len(both) == 2
    provider.clock.advance(61)
    assert [key["kid"] for key in await read(provider, kid=told)] == both[1:]


async def test_an_unknown_id_and_the_fingerprint_of_a_secret_lead_to_nothing(provider: Provider) -> None:
    await provider.ask(provider.ringback.public_key, owner="acme")
    await provider.ask(provider.ringback.signing_secret, owner="acme")
    [secret] = [k.fingerprint for k in await provider.ask(provider.ringback.keys) if k.kind == "v1"]
    for kid in ("unknown", "", "\0", secret):
        assert await read(provider, kid=kid) == []
