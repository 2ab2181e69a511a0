"""The hosted pages over HTTP: what they say, and what they never let in or out."""

import asyncio
import logging
import re
import secrets
from typing import Any
from urllib.parse import parse_qsl

import pytest
from fastapi import Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import text
from testkit.shop import Shop

from invoices.pages.assets import VERSION

pytestmark = pytest.mark.asyncio(loop_scope="module")

_SESSION: dict[str, Any] = {
    "object": "checkout.session",
    "amount_total": 999_900,
    "created": 1_800_000_000,
    "currency": "usd",
    "expires_at": 4_000_000_000,
    "livemode": False,
    "payment_intent": None,
    "payment_status": "unpaid",
    "status": "open",
}

OURS = f'<script src="/pages/live.js?{VERSION}" defer></script>'

HOSTILE = "<script>alert(1)</script><img src=//evil.example/x onerror=alert(1)>\" ' {{ 7*7 }}"


async def _set_status(shop: Shop, invoice: dict[str, Any], status: str) -> None:
    async with shop.app.state.sessions.begin() as session:
        moments = f"paid_at = created_at, voided_at = {'created_at' if status == 'void' else 'NULL'}"
        money = "paid_minor = total_minor, refunded_minor = total_minor / 4"
        if status == "paid":
            money = "paid_minor = total_minor"
        change = f"UPDATE invoices SET status = '{status}', {moments}, {money} WHERE id = '{invoice['id']}'"
        await session.execute(text(change))


@pytest.mark.parametrize(
    ("status", "says", "pays"),
    [
        ("open", "Amount due", True),
        ("processing", "Your payment is on its way", False),
        ("paid", "Payment received", False),
        ("void", "This invoice was withdrawn", False),
        ("refunded", "This payment was refunded", False),
        ("partially_refunded", "A part of this payment was refunded", False),
        ("uncollectible", "This invoice is closed", False),
    ],
)
async def test_each_state_is_told_plainly(shop: Shop, status: str, says: str, pays: bool) -> None:
    invoice = await shop.invoice(id=f"2expen51ve-{status}", title="Yacht maintenance")
    await _set_status(shop, invoice, status)
    page = await shop.browser.get(invoice["pay_url"])
    assert page.status_code == 200
    for words in (says, "2expen51ve", "Mr. Richie Rich", "Yacht maintenance", "9,999.00", "USD", "Sandbox"):
        assert words in page.text
    assert ("<form" in page.text) is pays
    assert ("Look again" in page.text) is (status == "processing")


@pytest.mark.parametrize(
    ("total", "currency", "shown"),
    [
        ("9999", "USD", "9,999.00 USD"),
        ("1234567", "JPY", "1,234,567 JPY"),
        ("0.050", "KWD", "0.050 KWD"),
        ("999999999999.99", "EUR", "999,999,999,999.99 EUR"),
    ],
)
async def test_amounts_have_the_decimals_of_their_currency(
    shop: Shop, total: str, currency: str, shown: str
) -> None:
    invoice = await shop.invoice(total=total, currency=currency)
    assert f"Pay {shown}" in (await shop.browser.get(invoice["pay_url"])).text


async def test_what_an_invoice_says_is_never_markup(shop: Shop) -> None:
    invoice = await shop.invoice(title=HOSTILE, customer=HOSTILE)
    checkout = await shop.begin(invoice)
    for url in (invoice["pay_url"], checkout):
        page = (await shop.browser.get(url)).text.replace(OURS, "")
        assert "<script" not in page
        assert "<img src=//" not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
        assert "{{ 7*7 }}" in page


async def test_nothing_comes_from_another_host_and_nothing_is_kept(shop: Shop) -> None:
    invoice = await shop.invoice()
    checkout = await shop.begin(invoice)
    for url in (invoice["pay_url"], checkout, f"{shop.url}/pay/unknown"):
        page = await shop.browser.get(url)
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        only_ours = "script-src 'self'; connect-src 'self'"
        assert policy.count("script-src") == policy.count(only_ours) == page.text.count(OURS)
        assert (OURS in page.text) is (url == invoice["pay_url"])
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["referrer-policy"] == "no-referrer"
        assert "noindex" in page.headers["x-robots-tag"]
        assert page.headers["x-content-type-options"] == "nosniff"
        assert set(re.findall(r"https?://[^/\"\s<]+", page.text)) <= {shop.url}
        assert " style=" not in page.text
        assert "<script" not in page.text.replace(OURS, "")


async def test_the_pages_files_are_kept_for_good_under_a_name_that_changes(shop: Shop) -> None:
    invoice = await shop.invoice()
    page = (await shop.browser.get(invoice["pay_url"])).text
    links = set(re.findall(r"/pages/[a-z.]+\?[0-9a-f]{12}", page))
    names = {link.partition("?")[0] for link in links}
    assert names == {"/pages/pages.css", "/pages/live.js", "/pages/mark.svg"}
    for link in links:
        answer = await shop.browser.get(f"{shop.url}{link}")
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    assert (await shop.browser.get(f"{shop.url}/pages/..%2f__init__.py")).status_code == 404
    assert (await shop.browser.get(f"{shop.url}/sandbox/pages/pages.css")).status_code == 200


async def test_unknown_and_outdated_links_get_one_friendly_answer(shop: Shop) -> None:
    invoice = await shop.invoice()
    async with shop.app.state.sessions.begin() as session:
        await session.execute(
            text(f"UPDATE invoices SET page_token_hash = NULL WHERE id = '{invoice['id']}'")
        )
    tokens = ["x", "%00", "%ff", "a" * 4000, *(secrets.token_urlsafe(32) for _ in range(20))]
    urls = [invoice["pay_url"], *(f"{shop.url}/pay/{token}" for token in tokens)]
    pages = await asyncio.gather(*(shop.browser.get(url) for url in urls))
    answers = {(page.status_code, page.text) for page in pages}
    assert len(answers) == 1
    ((status_code, page),) = answers
    assert status_code == 404
    assert "There is no invoice behind this link" in page
    posted = await shop.browser.post(f"{shop.url}/pay/{tokens[-1]}")
    pdf = await shop.browser.get(f"{shop.url}/pay/{tokens[-1]}/invoice.pdf")
    assert (posted.status_code, pdf.status_code) == (404, 404)


async def test_a_forged_host_header_leads_nowhere_else(shop: Shop) -> None:
    invoice = await shop.invoice()
    evil = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
    page = await shop.browser.get(invoice["pay_url"], headers=evil)
    paid = await shop.browser.post(invoice["pay_url"], headers=evil)
    session = await shop.session(paid.headers["location"])
    assert "evil.example" not in page.text
    assert paid.headers["location"].startswith(f"{shop.url}/sandbox/checkout/")
    assert session["success_url"] == f"{invoice['pay_url']}?returned=1"


async def test_the_pdf_is_behind_the_same_link(shop: Shop) -> None:
    invoice = await shop.invoice(id="2026-11 ä")
    answer = await shop.browser.get(f"{invoice['pay_url']}/invoice.pdf")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["content-disposition"] == 'attachment; filename="invoice-2026-11.pdf"'
    assert answer.content.startswith(b"%PDF-")


async def test_a_checkout_on_a_domain_of_its_own_is_linked_and_not_redirected_to(shop: Shop) -> None:
    async def made_elsewhere(request: Request) -> Response | None:
        if not request.url.path.startswith("/sandbox/v1/"):
            return None
        elsewhere = {"url": "https://pay.shop.example/c/pay/cs_test_1", "id": "cs_test_1"}
        form = dict(parse_qsl(await request.body()))
        metadata = {name: form[f"metadata[{name}]".encode()].decode() for name in ("payment", "invoice_id")}
        return JSONResponse(_SESSION | elsewhere | {"metadata": metadata})

    shop.front.trouble = made_elsewhere
    invoice = await shop.invoice()
    page = await shop.browser.post(invoice["pay_url"])
    assert page.status_code == 200
    assert 'href="https://pay.shop.example/c/pay/cs_test_1"' in page.text
    assert "Continue to the payment" in page.text


async def test_no_link_reaches_the_log(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("aiosqlite").setLevel(logging.INFO)
    invoice = await shop.invoice()
    token = invoice["pay_url"].rpartition("/")[2]
    await _visit_everything(shop, invoice)
    logged = [record for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    assert logged
    assert not [record.getMessage() for record in logged if token in record.getMessage()]


async def _visit_everything(shop: Shop, invoice: dict[str, Any]) -> None:
    checkout = await shop.begin(invoice)
    await shop.decide(checkout, "decline")
    await shop.decide(checkout, "approve")
    await shop.browser.get(f"{invoice['pay_url']}?returned=1")
    await shop.until_paid(invoice)
