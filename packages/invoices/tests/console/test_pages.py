"""The service's own pages in the console: invoices, mails, accounts."""

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy import text

SECRET = "an-operator-keeps-this-to-himself-0123456789"
TUTORIAL = {
    "id": "2expen51ve",
    "customer": "<b>Mr. Richie Rich</b>",
    "customer_email": "richie@example.org",
    "total": "9999",
}

Start = Any
Service = Any


@pytest.fixture
async def office(start_service: Start) -> AsyncIterator[Service]:
    """A service on each database, with the tutorial's invoice, and an operator who is signed in."""
    async with start_service(console_secret=SECRET, base_url="http://127.0.0.1:8000") as service:
        assert (await service.send(TUTORIAL)).status_code == 200
        page = await service.client.get("/console/sign-in")
        [token] = re.findall(r'name="token" value="(\w+)"', page.text)
        form = {"token": token, "secret": SECRET}
        here = {"Sec-Fetch-Site": "same-origin"}
        assert (await service.client.post("/console/sign-in", data=form, headers=here)).status_code == 303
        yield service


def found(page: httpx.Response, pattern: str) -> list[str]:
    return list(dict.fromkeys(re.findall(pattern, page.text)))


async def test_invoices_of_all_accounts_are_found(office: Service) -> None:
    await office.send({"id": "second", "customer": "Ada", "total": "1.50"})
    assert (await office.client.post("/invoices/second/void")).status_code == 200

    async def ids(query: str) -> list[str]:
        page = await office.client.get(f"/console/invoices{query}")
        return found(page, r'<bdi class="key">(\w+)</bdi>')

    assert await ids("") == ["second", "2expen51ve"]
    assert await ids("?status=void") == ["second"]
    assert await ids("?id=2expen51ve&account=default") == ["2expen51ve"]
    assert await ids("?account=nobody") == []
    assert await ids("?before=2") == ["2expen51ve"]
    assert await ids("?status=nonsense&before=x%00") == ["second", "2expen51ve"]


async def test_one_invoice_has_its_money_and_what_was_sent(office: Service) -> None:
    page = await office.client.get("/console/invoices/1")
    assert "9,999.00 USD" in page.text
    assert "&lt;b&gt;Mr. Richie Rich&lt;/b&gt;" in page.text
    assert "The customer has not gone to pay yet." in page.text
    [mail] = found(page, r'href="(/console/mails/msg_\w+)"')
    assert (await office.client.get(mail)).status_code == 200
    [link] = found(page, r'href="(http://127.0.0.1:8000/pay/[\w-]+)"')
    path = link.removeprefix("http://127.0.0.1:8000")
    assert (await office.client.get(path)).status_code == 200, "the customer's own page"
    assert (await office.client.get("/console/invoices/99")).status_code == 404
    assert (await office.client.get("/console/invoices/x")).status_code == 404


async def test_one_invoice_has_its_reminders_and_what_else_is_planned(office: Service) -> None:
    due = {
        "id": "due",
        "customer": "Ada",
        "customer_email": "ada@example.org",
        "total": "1",
        "due_on": "2099-01-31",
    }
    assert (await office.send(due)).status_code == 200
    assert (await office.client.post("/invoices/due/send")).status_code == 200
    page = await office.client.get("/console/invoices/2")
    words = re.findall(
        r'<li><span class="chip (\w+)">\w+</span> <a [^>]*>([^<]*)</a> <span class="quiet">([^·]*?) ?[·<]',
        page.text,
    )
    assert [kind for _, kind, _ in words] == [
        "Reminder 7 days after the due date",
        "Reminder 1 day after the due date",
        "Becomes overdue",
        "Reminder 3 days before the due date",
        "Invoice by mail, sent again (2)",
        "Invoice by mail",
    ]
    assert {state for state, *_ in words[:4]} == {"pending"}
    assert {verdict for *_, verdict in words[:4]} == {"planned for"}
    assert "2099-01-28" in page.text


async def test_a_mail_is_seen_as_its_recipient_sees_it(office: Service) -> None:
    listed = await office.client.get("/console/mails")
    assert "kept here and sent to nobody" in listed.text
    [mail] = found(listed, r'href="(/console/mails/msg_\w+)"')
    page = await office.client.get(mail)
    assert "richie@example.org" in page.text
    assert "Invoice 2expen51ve: 9,999.00 USD" in page.text
    [frame] = found(page, r'<iframe [^>]*src="([^"]+)"')
    letter = await office.client.get(frame)
    assert "9,999.00 USD" in letter.text
    assert "sandbox" in letter.headers["content-security-policy"]
    assert "frame-ancestors 'self'" in letter.headers["content-security-policy"]
    pdf = await office.client.get(f"{mail}/pdf")
    assert pdf.content.startswith(b"%PDF-")
    assert pdf.headers["content-disposition"].startswith("attachment")


async def test_a_mail_whose_invoice_is_gone_says_so(office: Service) -> None:
    [mail] = found(await office.client.get("/console/mails"), r'href="(/console/mails/msg_\w+)"')
    async with office.app.state.engine.begin() as connection:
        await connection.execute(text("DELETE FROM invoice_happenings"))
        await connection.execute(text("DELETE FROM invoices"))
    assert "This mail cannot be shown any more" in (await office.client.get(mail)).text
    for path in (f"{mail}/html", f"{mail}/pdf", "/console/mails/msg_nope", "/console/mails/%00"):
        assert (await office.client.get(path)).status_code == 404


async def test_accounts_lead_to_what_is_theirs(office: Service) -> None:
    page = await office.client.get("/console/accounts")
    assert "default" in page.text
    assert 'href="/console/deliveries?owner=default"' in page.text


async def test_strangers_see_none_of_it(start_service: Start) -> None:
    async with start_service(console_secret=SECRET) as service:
        await service.send(TUTORIAL)
        for path in ("invoices", "invoices/1", "mails", "mails/x/html", "mails/x/pdf", "accounts"):
            answer = await service.client.get(f"/console/{path}")
            assert answer.status_code == 303, path
            assert "Rich" not in answer.text
