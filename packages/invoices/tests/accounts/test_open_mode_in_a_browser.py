"""Threat t32: while no key exists, a page of another site in the operator's browser steers nothing here."""

from typing import Any

import pytest
from fastapi import FastAPI
from playwright.async_api import Browser
from starlette.requests import Request
from starlette.responses import HTMLResponse
from testkit.serving import served

# What a page can let a browser send to another site without asking it first.
ATTACK = """<!doctype html>
<form id=f method=post action="{url}/invoices/mine/void"></form>
<script>
window.ended = Promise.allSettled([
  fetch("{url}/invoices/mine/void", {{method: "POST", mode: "no-cors"}}),
  fetch("{url}/invoices/mine/void", {{method: "POST", mode: "no-cors", referrerPolicy: "no-referrer"}}),
  fetch("{url}/invoices/", {{method: "POST", mode: "no-cors",
    body: '{{"id": "theirs", "customer": "C", "total": 1}}'}}),
  fetch("{url}/invoices/mine"),
  Promise.resolve(navigator.sendBeacon("{url}/invoices/mine/void")),
]).then(all => all.map(one => one.status + ":" + (one.value && one.value.type)));
</script>"""


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_t32_no_page_of_another_site_gets_anything_done(start_service: Any, browser: Browser) -> None:
    async with start_service() as service:
        assert (await service.send({"id": "mine", "customer": "C", "total": 1})).status_code == 200
        url = str(service.client.base_url).rstrip("/")
        evil = FastAPI()

        async def attack(_request: Request) -> HTMLResponse:
            return HTMLResponse(ATTACK.format(url=url))

        evil.add_route("/", attack)
        async with served(evil) as elsewhere, await browser.new_context() as context:
            page = await context.new_page()
            # Another site, and then one that differs in its port alone.
            for address in (elsewhere.replace("127.0.0.1", "localhost"), elsewhere):
                await page.goto(f"{address}/")
                ended = await page.evaluate("window.ended")
                assert ended[3] == "rejected:undefined"  # what is not sent blindly cannot be read
                await page.evaluate("document.getElementById('f').submit()")
                await page.wait_for_url(f"{url}/invoices/mine/void")
                assert "a page of another site sends it" in await page.content()
            # The documentation page of the service itself may.
            await page.goto(f"{url}/docs")
            script = "fetch('/invoices/mine/void', {method: 'POST'}).then(answer => answer.status)"
            before = (await service.client.get("/invoices/mine")).json()["status"]
            assert await page.evaluate(script) == 200
        assert before == "open"
        assert await service.count("invoices") == 1
