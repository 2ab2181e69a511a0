"""kill -9 between the payment and the callback: the callback arrives all the same, exactly as declared."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

TUTORIAL = {"id": "2expen51ve", "customer": "Mr. Richie Rich", "total": "9999"}
SECONDS = 100.0


async def _until(client: httpx.AsyncClient, url: str, wanted: Any) -> dict[str, Any]:
    async with asyncio.timeout(SECONDS):
        while True:
            invoice: dict[str, Any] = (await client.get(url)).json()
            if wanted(invoice):
                return invoice
            await asyncio.sleep(0.02)


async def _secret(process: Any) -> str:
    secret: str = json.loads(await process.run("accounts", "show", "default", "--json"))["signing_secret"]
    return secret


async def _sent(process: Any, external_api: Any, client: httpx.AsyncClient) -> dict[str, Any]:
    sent = await client.post(
        f"{process.url}/invoices/", params={"callback_url": f"{external_api.url}/events"}, json=TUTORIAL
    )
    assert sent.status_code == 200, sent.text
    invoice: dict[str, Any] = sent.json()
    return invoice


def _check(external_api: Any, invoice: dict[str, Any]) -> None:
    (request,) = external_api.requests
    assert request["id"] == "2expen51ve"
    assert request["content-type"] == "application/json"
    assert json.loads(request["body"]) == {"description": "Payment celebration", "paid": True}
    (delivery,) = invoice["deliveries"]
    assert delivery["id"] == request["message"]
    assert delivery["url"] == f"{external_api.url}/events/invoices/2expen51ve"
    assert invoice["status"] == "paid"


async def _until_state(process: Any, state: str) -> None:
    """Wait until the callback was tried and stands like this, which only operators can see.

    Pending: nobody listened, and no attempt is under way. A lease would otherwise have to run out first.
    """
    engine = create_async_engine(process.variables["INVOICES_DATABASE_URL"])
    tried = text(
        "SELECT state FROM ringback_deliveries JOIN ringback_messages USING (id) "
        "WHERE channel <> 'mail' AND attempts > 0"
    )
    async with asyncio.timeout(SECONDS):
        found = None
        while found != state:
            async with engine.connect() as connection:
                found = await connection.scalar(tried)
            await asyncio.sleep(0.02)
    await engine.dispose()


async def test_killed_after_each_commit_it_goes_on_where_it_was(
    process: Any, external_api: Any, pay: Any
) -> None:
    """An answered invoice is there after kill -9, and a payment is called back about after another one."""
    await process.start()
    secret = await _secret(process)
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        sent = await _sent(process, external_api, client)
        await process.kill()
        await process.start()
        url = f"{process.url}/invoices/2expen51ve"
        read = (await client.get(url)).json()
        assert (read["pay_url"], read["status"], read["deliveries"]) == (sent["pay_url"], "open", [])
        await pay(client, sent["pay_url"])
        await _until_state(process, "pending")
        await process.kill()
        assert external_api.requests == []
        async with external_api.opened(secret):
            await process.start()
            invoice = await _until(client, url, lambda found: found["deliveries"][0]["state"] == "delivered")
        _check(external_api, invoice)


@pytest.mark.long
async def test_killed_in_the_middle_of_an_attempt_it_is_tried_again_when_the_lease_has_run_out(
    process: Any, external_api: Any, pay: Any
) -> None:
    await process.start()
    secret = await _secret(process)
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        external_api.listener.listen()  # accepts, and never answers
        await pay(client, (await _sent(process, external_api, client))["pay_url"])
        url = f"{process.url}/invoices/2expen51ve"
        await _until_state(process, "sending")
        await process.kill()
        async with external_api.opened(secret):
            await process.start()
            invoice = await _until(client, url, lambda found: found["deliveries"][0]["state"] == "delivered")
        assert invoice["deliveries"][0]["attempts"] == 2
        assert {request["message"] for request in external_api.requests} == {invoice["deliveries"][0]["id"]}
