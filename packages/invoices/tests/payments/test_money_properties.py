"""What must hold of an invoice's money whatever happens to it, by Hypothesis against each database."""

import secrets
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from testkit.shop import Shop

pytestmark = pytest.mark.asyncio(loop_scope="module")

STEPS = ("promise", "decline", "pay", "pay again", "expire", "fail", "refund", "refund a part", "void", "ask")
UNPAID = {"open", "processing", "void", "uncollectible"}

ONCE = """
SELECT invoice_pk, once FROM invoice_happenings GROUP BY invoice_pk, once HAVING count(*) > 1
"""
UNTRUE = """
SELECT i.id FROM invoices i WHERE
  i.paid_minor <> (SELECT coalesce(sum(p.amount_minor), 0) FROM payments p
    WHERE p.invoice_pk = i.pk AND p.state = 'paid')
  OR i.refunded_minor <> (SELECT coalesce(sum(r.amount_minor), 0) FROM refunds r
    JOIN payments p ON p.pk = r.payment_pk
    WHERE p.invoice_pk = i.pk AND p.state = 'paid' AND r.state = 'succeeded')
  OR (i.status = 'paid') <> (i.paid_minor > 0 AND i.paid_minor - i.refunded_minor >= i.total_minor)
  OR (i.status = 'void' AND i.paid_minor > 0)
  OR (i.voided_at IS NOT NULL AND i.status <> 'void' AND i.facts NOT LIKE '%paid_after_void%')
"""


async def _step(shop: Shop, invoice: dict[str, Any], session: dict[str, Any], step: str) -> None:
    complete = session | {"status": "complete", "url": None, "payment_intent": f"pi_{invoice['id']}"}
    paid = complete | {"payment_status": "paid"}
    name = "checkout.session"
    failed = {"id": f"pi_{invoice['id']}", "amount": session["amount_total"], "currency": "usd"}
    told = {
        "promise": (f"{name}.completed", complete | {"payment_status": "unpaid"}),
        "decline": (
            "payment_intent.payment_failed",
            failed | {"livemode": False, "metadata": session["metadata"]},
        ),
        "pay": (f"{name}.completed", paid),
        "pay again": (
            f"{name}.completed",
            paid | {"id": f"cs_{invoice['id']}_2", "payment_intent": f"pi_{invoice['id']}_2"},
        ),
        "expire": (f"{name}.expired", complete | {"status": "expired"}),
        "fail": (f"{name}.async_payment_failed", complete),
        "refund": ("refund.created", _refund(invoice, session["amount_total"])),
        "refund a part": ("refund.created", _refund(invoice, 1_00)),
    }
    if step in told:
        assert (await shop.tell(*told[step])).status_code == 200
    elif step == "void":
        answer = await shop.browser.post(f"{shop.url}/invoices/{invoice['id']}/void")
        assert answer.status_code in (200, 409)
    else:
        assert (await shop.browser.get(f"{invoice['pay_url']}?returned=1")).status_code == 200


def _refund(invoice: dict[str, Any], amount: int) -> dict[str, Any]:
    refund = {"id": f"re_{secrets.token_hex(6)}", "amount": amount, "created": 1, "currency": "usd"}
    return refund | {"metadata": {}, "payment_intent": f"pi_{invoice['id']}", "status": "succeeded"}


@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@example(steps=["void", "refund a part", "promise", "pay", "expire", "pay again", "refund", "decline", "ask"])
@given(steps=st.lists(st.sampled_from(STEPS), min_size=3, max_size=9))
async def test_i17_i18_i19_money_is_counted_truly_told_once_and_never_forgotten(
    shop: Shop, steps: list[str]
) -> None:
    invoice = await shop.invoice()
    session = await shop.session(await shop.begin(invoice))
    seen_money = False
    for step in steps:
        await _step(shop, invoice, session, step)
        state = await shop.state(invoice)
        assert not (seen_money and state["status"] in UNPAID), (steps, step)
        seen_money = seen_money or state["status"] not in UNPAID
    async with shop.app.state.engine.connect() as connection:
        assert (await connection.execute(text(UNTRUE))).all() == []
        assert (await connection.execute(text(ONCE))).all() == []
    answer = await shop.browser.get(f"{shop.url}/invoices/{invoice['id']}/events")
    kinds = [event["kind"] for event in answer.json()["events"]]
    assert kinds.count("paid") <= 1
    assert kinds.count("voided") <= 1
    paid = {event["kind"]: event["paid"] for event in answer.json()["events"]}
    assert paid.get("paid", True)
    assert not paid.get("voided", False)
    assert not paid.get("failed", False)
