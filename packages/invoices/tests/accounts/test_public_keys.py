"""Public keys for receivers: made by a command, served to everybody, and each the account's own."""

from typing import Any

import pytest

from invoices.accounts import service as accounts

pytestmark = pytest.mark.asyncio(loop_scope="module")

Service = Any


async def test_an_accounts_public_key_is_served_under_its_id_and_followed_through_a_rotation(
    service: Service,
) -> None:
    ringback = service.app.state.ringback
    async with service.app.state.sessions.begin() as session:
        for name in ("acme", "other"):
            await accounts.create(session, ringback, name)
        acme = await accounts.public_key(session, ringback, "acme")
        assert await accounts.public_key(session, ringback, "acme") == acme
        await accounts.public_key(session, ringback, "other")
    assert await key_ids(service, kid=acme.key_id) == [acme.key_id]
    assert len(await key_ids(service)) == 2
    async with service.app.state.sessions.begin() as session:
        newer = await accounts.public_key(session, ringback, "acme", rotate=True)
    assert newer.public_key.startswith("whpk_")
    assert await key_ids(service, kid=acme.key_id) == [acme.key_id, newer.key_id]


async def key_ids(service: Service, **query: str) -> list[str]:
    answer = await service.client.get("/.well-known/jwks.json", params=query)
    assert answer.status_code == 200
    return [key["kid"] for key in answer.json()["keys"]]
