"""What waits for the due date: held back by the outbox, cancelled when nothing is owed any more."""

from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from sqlalchemy import text
from testkit.shop import Shop

pytestmark = pytest.mark.asyncio(loop_scope="module")

DAY = timedelta(days=1)


def _in(days: int) -> str:
    return (datetime.now(UTC).date() + timedelta(days=days)).isoformat()


async def _waiting(shop: Shop, invoice: dict[str, Any]) -> list[tuple[str, str]]:
    """What is held back for an invoice, by its key's end, in the order of its days."""
    rows = await shop.rows(
        "SELECT m.idempotency_key AS key, d.state FROM ringback_deliveries d JOIN ringback_messages m "
        "ON m.id = d.id JOIN invoices i ON m.idempotency_key LIKE 'invoice:' || i.pk || ':%' "
        "WHERE i.id = :id ORDER BY d.due_at",
        id=invoice["id"],
    )
    named = [(row["key"].split(":", 2)[2], row["state"]) for row in rows]
    return [(key, state) for key, state in named if key.startswith(("reminder", "overdue"))]


def _mails(shop: Shop, invoice: dict[str, Any]) -> list[EmailMessage]:
    folder = shop.app.state.settings.data_dir / "mail"
    files = sorted(folder.glob(f"{invoice['id']}-*.eml"), key=lambda file: file.stat().st_mtime_ns)
    return [message_from_bytes(file.read_bytes(), policy=policy.default) for file in files]


async def _events(shop: Shop, invoice: dict[str, Any]) -> list[str]:
    answer = await shop.browser.get(f"{shop.url}/invoices/{invoice['id']}/events")
    return [event["kind"] for event in answer.json()["events"]]


async def test_an_invoice_with_a_due_date_owes_its_reminders_and_its_end(shop: Shop) -> None:
    invoice = await shop.invoice(due_on=_in(10), customer_email="richie@rich.example")
    assert invoice["due_on"] == _in(10)
    assert await _waiting(shop, invoice) == [
        ("reminder:-3", "pending"),
        ("overdue", "pending"),
        ("reminder:1", "pending"),
        ("reminder:7", "pending"),
    ]


async def test_without_an_address_nobody_is_reminded_and_a_day_that_is_over_is_left_out(shop: Shop) -> None:
    quiet = await shop.invoice(due_on=_in(10))
    assert await _waiting(shop, quiet) == [("overdue", "pending")]
    soon = await shop.invoice(due_on=_in(2), customer_email="richie@rich.example")
    assert [key for key, _ in await _waiting(shop, soon)] == ["overdue", "reminder:1", "reminder:7"]


async def test_reminders_leave_on_their_days_with_one_message_id_each(shop: Shop) -> None:
    invoice = await shop.invoice(due_on=_in(10), customer_email="richie@rich.example", title="Yacht")
    await shop.app.state.ringback.drain()
    for days in (8 * DAY, 3 * DAY, 7 * DAY):
        await shop.pass_time(days)
    mails = _mails(shop, invoice)
    assert [mail["Subject"].partition(" ")[0] for mail in mails] == [
        "Invoice",
        "Reminder:",
        "Overdue:",
        "Overdue:",
    ]
    assert len({mail["Message-ID"] for mail in mails}) == 4
    body = mails[1].get_body(("plain",))
    assert body is not None
    assert "is due on" in body.get_content()
    assert await _events(shop, invoice) == ["received", "sent", "overdue"]
    assert (await shop.state(invoice))["status"] == "open"


@pytest.mark.parametrize("end", ["paid", "void", "write-off"])
async def test_nothing_waits_any_more_once_nothing_is_owed(shop: Shop, end: str) -> None:
    invoice = await shop.invoice(due_on=_in(10), customer_email="richie@rich.example")
    await shop.app.state.ringback.drain()
    if end == "paid":
        await shop.decide(await shop.begin(invoice), "approve")
        await shop.until_paid(invoice)
    else:
        await shop.browser.post(f"{shop.url}/invoices/{invoice['id']}/{end}")
    assert {state for _, state in await _waiting(shop, invoice)} == {"cancelled"}
    await shop.pass_time(30 * DAY)
    assert len(_mails(shop, invoice)) == 1
    assert "overdue" not in await _events(shop, invoice)


async def test_a_reminder_whose_attempt_was_under_way_says_nothing_of_what_is_paid(shop: Shop) -> None:
    invoice = await shop.invoice(due_on=_in(10), customer_email="richie@rich.example")
    await shop.app.state.ringback.drain()
    await shop.decide(await shop.begin(invoice), "approve")
    await shop.until_paid(invoice)
    rows = await shop.rows("SELECT scheduled FROM invoices WHERE id = :id", id=invoice["id"])
    assert rows[0]["scheduled"] in (None, "null")
    async with shop.app.state.sessions.begin() as session:
        again = "UPDATE ringback_deliveries SET state = 'pending' WHERE state = 'cancelled'"
        await session.execute(text(again))
    await shop.pass_time(30 * DAY)
    assert len(_mails(shop, invoice)) == 1
    assert "overdue" not in await _events(shop, invoice)


async def test_overdue_is_called_back_once_where_the_account_wants_it(shop: Shop) -> None:
    await shop.browser.put(f"{shop.url}/settings", json={"callbacks": ["overdue"]})
    invoice = await shop.invoice(due_on=_in(-1))
    await shop.app.state.ringback.drain()
    bodies = [body for body in shop.receiver.bodies if body["id"] == invoice["id"]]
    await shop.browser.put(f"{shop.url}/settings", json={"callbacks": []})
    assert bodies == [{"id": invoice["id"], "description": "Payment overdue", "paid": False}]


async def test_money_after_the_due_date_is_late(shop: Shop) -> None:
    for due, facts in ((_in(-1), ["paid_late"]), (_in(0), [])):
        invoice = await shop.invoice(due_on=due)
        await shop.decide(await shop.begin(invoice), "approve")
        await shop.until_paid(invoice)
        assert (await shop.state(invoice))["facts"] == facts


@pytest.mark.parametrize("due_on", ["yesterday", "2026-13-01", 5, "1999-12-31", "2100-01-01"])
async def test_a_due_date_is_a_day(shop: Shop, due_on: Any) -> None:
    invoice = {"id": "1", "customer": "C", "total": 1, "due_on": due_on}
    answer = await shop.browser.post(f"{shop.url}/invoices/", json=invoice)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "due_on"
