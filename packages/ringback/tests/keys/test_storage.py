"""Signing keys in the database: encrypted, one current of each kind per owner, changed without a gap."""

from typing import Any

import pytest
from sqlalchemy import select, update

from ringback import RingbackError
from ringback._sealing import UnreadableSecret, new_master_key
from ringback._store.tables import keys
from ringback.testing import drain

OpenProvider = Any
Provider = Any


async def stored(provider: Provider) -> list[Any]:
    async with provider.ringback.engine.begin() as connection:
        return list(await connection.execute(select(keys).order_by(keys.c.id)))


async def test_neither_secret_nor_private_key_is_in_the_database(provider: Provider) -> None:
    secret = await provider.ask(provider.ringback.signing_secret, owner="acme")
    public = await provider.ask(provider.ringback.public_key, owner="acme")
    v1, v1a = await stored(provider)
    assert (v1.kind, v1a.kind) == ("v1", "v1a")
    assert (v1.public_key, v1a.public_key) == (None, public)
    for row in (v1, v1a):
        assert secret not in str(tuple(row))
        assert b"whs" not in bytes(row.sealed)
        assert row.master in provider.ringback.master_keys().ids


async def test_public_parts_are_listed_with_what_people_compare(provider: Provider) -> None:
    await provider.ask(provider.ringback.signing_secret, owner="acme")
    public = await provider.ask(provider.ringback.public_key, owner="acme")
    await provider.ask(provider.ringback.signing_secret, owner="other")
    v1, v1a = await provider.ask(provider.ringback.keys, owner="acme")
    assert (v1.kind, v1.public_key, v1a.kind, v1a.public_key) == ("v1", None, "v1a", public)
    assert len({v1.fingerprint, v1a.fingerprint}) == 2
    assert v1.retires_at is None
    assert len(await provider.ask(provider.ringback.keys)) == 3


async def test_asking_again_gives_the_same_key(provider: Provider) -> None:
    for ask in (provider.ringback.signing_secret, provider.ringback.public_key):
        assert len({await provider.ask(ask, owner="acme") for _ in range(3)}) == 1
        assert await provider.ask(ask, owner="acme") != await provider.ask(ask, owner="other")


async def test_a_database_whose_master_key_is_not_at_hand_is_not_started_on(
    open_provider: OpenProvider,
) -> None:
    old, new = new_master_key(), new_master_key()
    async with open_provider(secret_key=old) as provider:
        secret = await provider.ask(provider.ringback.signing_secret, owner="acme")
    with pytest.raises(UnreadableSecret, match="1 signing keys"):
        async with open_provider(secret_key=new):
            pass
    async with open_provider(secret_key=[new, old]) as provider:
        assert await provider.ask(provider.ringback.signing_secret, owner="acme") == secret


async def test_encrypting_anew_lets_the_old_master_key_go(open_provider: OpenProvider) -> None:
    old, new = new_master_key(), new_master_key()
    async with open_provider(secret_key=old) as provider:
        secret = await provider.ask(provider.ringback.signing_secret, owner="acme")
        await provider.ask(provider.ringback.rotate_secret, owner="acme")
        await provider.ask(provider.ringback.public_key, owner="acme")
    async with open_provider(secret_key=[new, old]) as provider:
        store = provider.ringback._store.keys
        async with provider.ringback.engine.begin() as connection:
            assert await connection.run_sync(store.reencrypt) == 3
            assert await connection.run_sync(store.reencrypt) == 0
    async with open_provider(secret_key=new) as provider:
        request = await provider.called("acme")
        assert len(request.headers["webhook-signature"].split()) == 3
        async with provider.ringback.engine.begin() as connection:
            signing = await connection.run_sync(provider.ringback._store.keys.signing, ["acme"])
        assert signing["acme"][1] == secret, "the retired one is still what it was"


async def test_a_row_that_was_altered_stops_its_owner_alone(provider: Provider) -> None:
    for owner in ("acme", "evil"):
        await provider.ask(provider.ringback.signing_secret, owner=owner)
    mine, theirs = await stored(provider)
    async with provider.ringback.engine.begin() as connection:
        copied = update(keys).where(keys.c.id == theirs.id).values(sealed=mine.sealed)
        await connection.execute(copied)
    await provider.send("evil")
    await provider.send("acme")
    await drain(provider.ringback)
    assert [request.target for request in provider.receiver.requests] == ["/acme/invoices/2expen51ve"]
    [held] = await provider.ask(provider.ringback.deliveries, owner="evil")
    assert (held.state, held.attempts) == ("pending", 1)
    assert "signing secret cannot be read" in held.verdict
    with pytest.raises(RingbackError, match="ringback keys rotate evil"):
        await provider.ask(provider.ringback.signing_secret, owner="evil")
    await provider.ask(provider.ringback.rotate_secret, owner="evil", overlap=0.0)
    assert await provider.ask(provider.ringback.signing_secret, owner="evil")
