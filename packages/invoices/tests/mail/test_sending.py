"""The whole service and a real mail server: what is sent, what bounces, and what nobody waits for."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from email import message_from_bytes, policy
from typing import Any

import pytest
import pytest_asyncio
from testkit.postgresql import Server
from testkit.shop import Shop, open_shop

Serve = Callable[..., Any]

RICHIE = {"customer_email": "richie@rich.example"}


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["sqlite", "postgresql"])
async def opened(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, mail_server: Serve
) -> AsyncIterator[tuple[Shop, Any]]:
    """The service on each database, with a mail server whose behaviour a test may change."""
    folder = tmp_path_factory.mktemp("mailing")
    postgresql: Server | None = None
    url = f"sqlite+aiosqlite:///{folder / 'test.db'}"
    if request.param == "postgresql":
        postgresql = request.getfixturevalue("postgresql_server")
        url = postgresql.create_database()
    async with mail_server() as server, open_shop(url, folder, smtp_url=server.url) as shop:
        yield shop, server
    if postgresql is not None:
        postgresql.drop_database(url)


@pytest.fixture
def mailing(opened: tuple[Shop, Any]) -> Iterator[tuple[Shop, Any]]:
    """The same, well again after each test."""
    yield opened
    shop, server = opened
    server.received.clear()
    server.on_recipient = server.busy = None
    object.__setattr__(shop.app.state.renderer, "memory", 1 << 30)


async def _send(shop: Shop, invoice: dict[str, Any], key: str | None = None) -> Any:
    headers = {} if key is None else {"Idempotency-Key": key}
    return await shop.browser.post(f"{shop.url}/invoices/{invoice['id']}/send", headers=headers)


async def test_i24_each_kind_and_revision_has_one_message_id(mailing: Any) -> None:
    shop, server = mailing
    invoice = await shop.invoice(due_on="2099-01-01", **RICHIE)
    await shop.app.state.ringback.drain()
    assert (await shop.state(invoice))["mail"]["state"] == "sent"
    first, again = await _send(shop, invoice, "k"), await _send(shop, invoice, "k")
    assert first.content == again.content
    assert first.json()["mail"] == {"state": "queued", "note": None, "revision": 2}
    await shop.app.state.ringback.drain()
    await shop.pass_time(timedelta(days=365 * 80))
    mails = [message_from_bytes(sent.content, policy=policy.default) for sent in server.received]
    kinds = sorted(mail["Subject"].split(" ")[0] for mail in mails)
    assert kinds == ["Invoice", "Invoice", "Overdue:", "Overdue:", "Reminder:"]
    assert len({mail["Message-ID"] for mail in mails}) == 5
    names = ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"]
    assert all([name for name in mail if not name.startswith("X-")] == names for mail in mails)


async def test_f76_a_mail_that_bounces_is_shown_and_sending_it_again_mends_it(mailing: Any) -> None:
    shop, server = mailing
    server.on_recipient = "550 5.1.1 no such person"
    invoice = await shop.invoice(**RICHIE)
    await shop.app.state.ringback.drain()
    state = await shop.state(invoice)
    assert state["mail"]["state"] == "bounced"
    assert "550 5.1.1 no such person" in state["mail"]["note"]
    events = await shop.browser.get(f"{shop.url}/invoices/{invoice['id']}/events")
    assert [event["kind"] for event in events.json()["events"]] == ["received", "bounced"]
    server.on_recipient = None
    assert (await _send(shop, invoice)).status_code == 200
    await shop.app.state.ringback.drain()
    assert (await shop.state(invoice))["mail"]["state"] == "sent"


async def test_f76_a_mail_server_that_defers_or_hangs_holds_nothing_else_up(mailing: Any) -> None:
    shop, server = mailing
    server.on_recipient = "451 4.7.1 greylisted, try again"
    invoice = await shop.invoice(**RICHIE)
    await shop.decide(await shop.begin(invoice), "approve")
    await shop.until_paid(invoice)
    assert (await shop.told(invoice))[0]["paid"] is True
    assert (await shop.state(invoice))["mail"]["state"] == "queued"
    server.on_recipient = None
    await shop.pass_time(timedelta(minutes=10))
    assert (await shop.state(invoice))["mail"]["state"] == "sent"
    server.busy = asyncio.Event()
    other = await shop.invoice(**RICHIE)
    await shop.decide(await shop.begin(other), "approve")
    await shop.until_paid(other)
    assert (await shop.told(other))[0]["paid"] is True
    server.busy.set()
    await shop.app.state.ringback.drain()


async def test_only_what_is_owed_can_be_sent_again(mailing: Any) -> None:
    shop, _server = mailing
    invoice = await shop.invoice(**RICHIE)
    await shop.browser.post(f"{shop.url}/invoices/{invoice['id']}/void")
    refused = await _send(shop, invoice)
    assert refused.status_code == 409
    assert "an invoice that is void cannot be sent" in refused.json()["detail"]
    assert (await _send(shop, {"id": "nothing"})).status_code == 404
    quiet = await shop.invoice()
    await shop.app.state.ringback.drain()
    assert (await shop.state(quiet))["mail"]["state"] == "unaddressed"


async def test_f77_an_invoice_whose_pdf_fails_stays_valid_and_its_mail_goes_with_the_link(
    mailing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, server = mailing
    # A child without memory cannot typeset anything.
    object.__setattr__(shop.app.state.renderer, "memory", 1 << 20)
    invoice = await shop.invoice(**RICHIE)
    for _ in range(4):
        await shop.pass_time(timedelta(hours=1))
    assert (await shop.browser.get(f"{shop.url}/invoices/{invoice['id']}/pdf")).status_code == 503
    assert (await shop.state(invoice))["status"] == "open"
    (sent,) = server.received
    mail = message_from_bytes(sent.content, policy=policy.default)
    assert list(mail.iter_attachments()) == []
    body = mail.get_body(("plain",))
    assert body is not None
    assert invoice["pay_url"] in body.get_content()
