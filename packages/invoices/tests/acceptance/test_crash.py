"""kill -9 between the payment and the callback: the callback arrives all the same, exactly as declared."""

import asyncio
import json
from typing import Any

import httpx
import pytest

TUTORIAL = {"id": "2expen51ve", "customer": "Mr. Richie Rich", "total": "9999"}
SECONDS = 100.0


async def _until(client: httpx.AsyncClient, url: str, wanted: Any) -> dict[str, Any]:
    async with asyncio.timeout(SECONDS):
        while True:
            invoice: dict[str, Any] = (await client.get(url)).json()
            if wanted(invoice):
                return invoice
            await asyncio.sleep(0.02)


async def _paid(process: Any, external_api: Any, pay: Any, client: httpx.AsyncClient) -> None:
    sent = await client.post(
        f"{process.url}/invoices/", params={"callback_url": f"{external_api.url}/events"}, json=TUTORIAL
    )
    assert sent.status_code == 200, sent.text
    await pay(client, sent.json()["pay_url"])


def _check(external_api: Any, invoice: dict[str, Any]) -> None:
    (request,) = external_api.requests
    assert request["id"] == "2expen51ve"
    assert request["content-type"] == "application/json"
    assert json.loads(request["body"]) == {"description": "Payment celebration", "paid": True}
    (delivery,) = invoice["deliveries"]
    assert delivery["id"] == request["message"]
    assert delivery["url"] == f"{external_api.url}/events/invoices/2expen51ve"
    assert invoice["status"] == "paid"


async def test_killed_before_the_callback_gets_through_it_is_delivered_after_the_restart(
    process: Any, external_api: Any, pay: Any
) -> None:
    await process.start()
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        await _paid(process, external_api, pay, client)
        url = f"{process.url}/invoices/2expen51ve"
        await _until(client, url, lambda invoice: invoice["status"] == "paid")
        await process.kill()
        await process.start()
        secret = json.loads(await process.run("accounts", "show", "default", "--json"))["signing_secret"]
        async with external_api.opened(secret):
            invoice = await _until(client, url, lambda found: found["deliveries"][0]["state"] == "delivered")
        _check(external_api, invoice)


@pytest.mark.long
async def test_killed_in_the_middle_of_an_attempt_it_is_tried_again_when_the_lease_has_run_out(
    process: Any, external_api: Any, pay: Any
) -> None:
    await process.start()
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        external_api.listener.listen()  # accepts, and never answers
        await _paid(process, external_api, pay, client)
        url = f"{process.url}/invoices/2expen51ve"
        await _until(
            client, url, lambda found: found["deliveries"] and found["deliveries"][0]["state"] == "sending"
        )
        await process.kill()
        await process.start()
        secret = json.loads(await process.run("accounts", "show", "default", "--json"))["signing_secret"]
        async with external_api.opened(secret):
            invoice = await _until(client, url, lambda found: found["deliveries"][0]["state"] == "delivered")
        assert invoice["deliveries"][0]["attempts"] == 2
        assert {request["message"] for request in external_api.requests} == {invoice["deliveries"][0]["id"]}


async def test_an_answer_to_the_api_user_survives_kill_9(process: Any) -> None:
    await process.start()
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        sent = await client.post(f"{process.url}/invoices/", json=TUTORIAL)
        await process.kill()
        assert sent.status_code == 200
        await process.start()
        read = (await client.get(f"{process.url}/invoices/2expen51ve")).json()
    answer = sent.json()
    assert {name: read[name] for name in answer if name != "msg"} | {"sent_at": None} == {
        name: value for name, value in answer.items() if name != "msg"
    } | {"sent_at": None}
