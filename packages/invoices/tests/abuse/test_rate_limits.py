"""Too many requests of an account, too many guesses from an address (t09, t25, t27, t30)."""

import json
import secrets
import time
from typing import Any

import pytest
from fastapi import Request

from invoices.accounts import service as accounts
from invoices.payments.keys import ProviderKeys
from invoices.payments.sandbox.announcer import signature
from invoices.rate_limits import Buckets, address_of

ONE_AN_HOUR = 1 / 3600


async def key_of(service: Any, name: str) -> dict[str, str]:
    async with service.app.state.sessions.begin() as session:
        made = await accounts.create(session, service.app.state.ringback, name)
    return {"Authorization": f"Bearer {made.api_key}"}


def wrong_key() -> dict[str, str]:
    return {"Authorization": f"Bearer inv_{secrets.token_hex(4)}_{secrets.token_urlsafe(32)}"}


class TestBuckets:
    def test_a_burst_passes_and_then_one_for_each_interval(self) -> None:
        now = 100.0
        buckets = Buckets(2, 3, clock=lambda: now)
        assert [buckets.take("a") for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
        now += 0.25
        assert buckets.take("a") == 0.25
        now += 0.25
        assert buckets.take("a") == 0.0
        assert buckets.take("a") == 0.5

    def test_a_refused_request_costs_nothing(self) -> None:
        now = 0.0
        buckets = Buckets(1, 1, clock=lambda: now)
        assert [buckets.take("a") for _ in range(50)] == [0.0] + [1.0] * 49
        now = 1.0
        assert buckets.take("a") == 0.0

    def test_names_do_not_share_a_bucket(self) -> None:
        buckets = Buckets(1, 1, clock=lambda: 0.0)
        assert (buckets.take("a"), buckets.take("b"), buckets.take("a")) == (0.0, 0.0, 1.0)

    def test_no_more_than_a_burst_is_saved_up(self) -> None:
        now = 0.0
        buckets = Buckets(10, 2, clock=lambda: now)
        now = 1e6
        assert [buckets.take("a") > 0 for _ in range(3)] == [False, False, True]

    def test_memory_is_bounded_and_whoever_came_last_is_remembered(self) -> None:
        buckets = Buckets(1, 1, most_names=100, clock=lambda: 0.0)
        for number in range(10_000):
            buckets.take(str(number))
            assert len(buckets) <= 100
        assert buckets.take("9999") == 1.0

    def test_zero_means_no_limit(self) -> None:
        buckets = Buckets(0, 1)
        assert {buckets.take("a") for _ in range(1000)} == {0.0}
        assert len(buckets) == 0


@pytest.mark.parametrize(
    ("peers", "counts_as"),
    [
        (["192.0.2.7"], "192.0.2.7"),
        (["2001:db8:1:2::1", "2001:db8:1:2:ffff::9"], "2001:db8:1:2::/64"),
        (["/tmp/socket"], "/tmp/socket"),
        ([None], ""),
    ],
)
def test_an_ipv6_network_counts_as_one_address(peers: list[str | None], counts_as: str) -> None:
    for peer in peers:
        request = Request({"type": "http", "client": (peer, 1) if peer else None, "headers": []})
        assert address_of(request) == counts_as


async def test_an_account_that_sends_too_fast_is_told_to_wait_and_the_others_are_not(
    start_service: Any,
) -> None:
    async with start_service(rate_limit=ONE_AN_HOUR, rate_limit_burst=10) as service:
        fast, other = await key_of(service, "fast"), await key_of(service, "other")
        answers = [
            await service.send({"id": f"i{number}", "customer": "C", "total": 1}, headers=fast)
            for number in range(25)
        ]
        assert [answer.status_code for answer in answers] == [200] * 10 + [429] * 15
        refusal = answers[-1]
        assert refusal.headers["content-type"] == "application/problem+json"
        assert 3500 <= int(refusal.headers["retry-after"]) <= 3600
        assert "Retry-After" in refusal.json()["detail"]
        assert (await service.client.get("/invoices/", headers=fast)).status_code == 429
        assert (await service.client.get("/invoices/", headers=other)).status_code == 200
        assert await service.count("invoices") == 10


async def test_the_open_mode_is_not_slowed_down(start_service: Any) -> None:
    async with start_service(rate_limit=ONE_AN_HOUR, rate_limit_burst=1) as service:
        for _ in range(20):
            assert (await service.client.get("/invoices/")).status_code == 200


async def test_wrong_keys_are_slowed_down_and_the_right_one_still_works(start_service: Any) -> None:
    async with start_service(guess_limit=ONE_AN_HOUR, guess_limit_burst=5) as service:
        right = await key_of(service, "acme")
        codes = [(await service.client.get("/invoices/", headers=wrong_key())).status_code for _ in range(12)]
        assert codes == [401] * 5 + [429] * 7
        refusal = await service.client.get("/invoices/", headers={"Authorization": "Bearer nonsense"})
        assert refusal.status_code == 429
        assert int(refusal.headers["retry-after"]) > 3000
        assert (await service.client.get("/invoices/", headers=right)).status_code == 200
        assert (await service.client.get("/invoices/")).status_code == 401


async def test_t30_guessed_links_open_nothing_and_are_slowed_down(start_service: Any) -> None:
    async with start_service(guess_limit=ONE_AN_HOUR, guess_limit_burst=30) as service:
        link = (await service.send()).json()["pay_url"].removeprefix("https://pay.example")
        near = link[:-1] + ("A" if link[-1] != "A" else "B")
        guesses = [near, "/pay/x", *(f"/pay/{secrets.token_urlsafe(32)}" for _ in range(60))]
        pages = [await service.client.get(guess) for guess in guesses]
        assert [page.status_code for page in pages] == [404] * 30 + [429] * 32
        assert len({page.text for page in pages}) == 1
        assert all(int(page.headers["retry-after"]) > 3000 for page in pages[30:])
        for method, path in (("POST", near), ("GET", f"{near}/invoice.pdf")):
            assert (await service.client.request(method, path)).status_code == 429
        assert (await service.client.get(link)).status_code == 200


async def test_t27_forged_events_are_slowed_down_and_the_providers_own_are_not(start_service: Any) -> None:
    async with start_service(guess_limit=ONE_AN_HOUR, guess_limit_burst=5) as service:
        body = json.dumps(
            {
                **{"id": "evt_1", "object": "event", "created": 1_800_000_000, "livemode": False},
                **{"type": "customer.created", "data": {"object": {"object": "customer", "id": "cus_1"}}},
            }
        )

        async def post(secret: str) -> Any:
            headers = {"Stripe-Signature": signature(secret, int(time.time()), body)}
            return await service.client.post("/payments/stripe", content=body, headers=headers)

        answers = [await post(f"whsec_{number}") for number in range(12)]
        assert [answer.status_code for answer in answers] == [400] * 5 + [429] * 7
        assert "signatures" in answers[-1].json()["detail"]
        assert int(answers[-1].headers["retry-after"]) > 3000
        right = ProviderKeys.of(service.settings).webhook_secret
        assert (await post(right)).status_code == 200
