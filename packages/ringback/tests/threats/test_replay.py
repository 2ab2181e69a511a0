"""Threats t22 to t24: forged, repeated and diverted callbacks, at a receiver as its developer builds it.

Both sides are real: the provider's worker calls a FastAPI app on a socket, which verifies with
`ringback.receiver`; the attacker sends again what was sent, byte for byte.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Annotated

import httpx
import pytest
from fastapi import Depends, FastAPI, Request
from testkit.provider import Provider, open_provider
from testkit.serving import served

from ringback._signing import path_hash
from ringback.receiver import InvalidSignature, MemoryInbox, Message, Receiver
from ringback.testing import LocalReceiver, drain

OWNERS = ("acme", "other")


@dataclass
class Customer:
    """The receivers of two accounts in one app, and what an attacker on the way saw of the traffic."""

    provider: Provider
    keys: dict[str, str]
    url: str = ""
    paid: list[tuple[str, str]] = field(default_factory=list)
    seen: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    def receiver(self, owner: str) -> Receiver:
        """What knows this account's key, and no other."""
        return Receiver(self.keys[owner], clock=self.provider.clock)

    def app(self) -> FastAPI:
        """Each account's routes verify with that account's key."""
        app = FastAPI()
        for owner in self.keys:
            self._add(app, owner, self.receiver(owner), MemoryInbox())
        return app

    def _add(self, app: FastAPI, owner: str, receiver: Receiver, inbox: MemoryInbox) -> None:
        @app.post(f"/{owner}/invoices/{{invoice}}")
        async def told(
            invoice: str, request: Request, message: Annotated[Message, Depends(receiver)]
        ) -> dict[str, bool]:
            self.seen.append((request.url.path, dict(request.headers), message.body))
            async with inbox.once(message.id) as owed:
                if owed:
                    self.paid.append((owner, invoice))
            return {"ok": True}

    async def replay(self, path: str, **changes: str) -> httpx.Response:
        """Send the first request that was seen to another path, with some headers changed."""
        _, headers, body = self.seen[0]
        async with httpx.AsyncClient(trust_env=False) as client:
            return await client.post(f"{self.url}{path}", headers=headers | changes, content=body)


@pytest.fixture(params=["v1", "v1a"])
async def customer(request: pytest.FixtureRequest, sqlite_url: str) -> AsyncIterator[Customer]:
    """Two accounts; acme's invoice 2expen51ve was paid, and its receiver was told so once."""
    with LocalReceiver() as unused:
        async with open_provider(unused, database=sqlite_url) as provider:
            ringback = provider.ringback
            ask = ringback.signing_secret if request.param == "v1" else ringback.public_key
            keys = {owner: await provider.ask(ask, owner=owner) for owner in OWNERS}
            customer = Customer(provider, keys)
            async with served(customer.app()) as url:
                customer.url = url
                await provider.send("acme", url=f"{url}/acme")
                await drain(ringback)
                yield customer


async def test_t22_what_the_provider_sent_is_accepted_as_it_is(customer: Customer) -> None:
    assert customer.paid == [("acme", "2expen51ve")]


async def test_t22_t24_paid_at_one_account_is_not_paid_at_another(customer: Customer) -> None:
    refused = await customer.replay("/other/invoices/2expen51ve")
    assert refused.status_code == 403
    assert "no signature" in refused.json()["detail"]
    assert customer.paid == [("acme", "2expen51ve")]


async def test_t22_t24_paid_for_one_invoice_is_not_paid_for_another(customer: Customer) -> None:
    refused = await customer.replay("/acme/invoices/another")
    assert refused.status_code == 403
    assert "another path" in refused.json()["detail"]
    assert customer.paid == [("acme", "2expen51ve")]


async def test_t24_an_id_rewritten_for_the_other_path_breaks_the_signature(customer: Customer) -> None:
    stem = customer.seen[0][1]["webhook-id"].rpartition("_")[0]
    forged = f"{stem}_{path_hash(stem, '/acme/invoices/another')}"
    refused = await customer.replay("/acme/invoices/another", **{"webhook-id": forged})
    assert "no signature" in refused.json()["detail"]


async def test_t23_the_same_request_again_is_answered_and_acted_on_once(customer: Customer) -> None:
    assert (await customer.replay("/acme/invoices/2expen51ve")).status_code == 200
    assert customer.paid == [("acme", "2expen51ve")]


@pytest.mark.parametrize(("later", "status"), [(299, 200), (301, 403)])
async def test_t23_a_request_is_too_old_after_five_minutes(
    customer: Customer, later: int, status: int
) -> None:
    customer.provider.clock.advance(later)
    assert (await customer.replay("/acme/invoices/2expen51ve")).status_code == status


async def test_t22_no_flipped_bit_of_id_time_body_or_signature_passes(customer: Customer) -> None:
    path, headers, body = customer.seen[0]
    kind = "v1," if customer.keys["acme"].startswith("whsec_") else "v1a,"
    [signature] = [one for one in headers["webhook-signature"].split() if one.startswith(kind)]
    parts = [part.encode() for part in (headers["webhook-id"], headers["webhook-timestamp"], signature)] + [
        body
    ]

    def accepted(*sent: bytes) -> bool:
        *fields, content = sent
        texts = [field.decode("latin-1") for field in fields]
        names = ("webhook-id", "webhook-timestamp", "webhook-signature")
        try:
            customer.receiver("acme").verify(dict(zip(names, texts, strict=True)), content, path)
        except InvalidSignature:
            return False
        return True

    assert accepted(*parts)
    for place, part in enumerate(parts):
        for bit in range(len(part) * 8):
            altered = bytearray(part)
            altered[bit // 8] ^= 1 << bit % 8
            assert not accepted(*parts[:place], bytes(altered), *parts[place + 1 :]), (place, bit)
