"""Providers mix up the order of what they tell: every order ends alike (f67)."""

import itertools
import json
import random
import secrets
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from testkit.shop import Shop

from invoices.invoices.lifecycle import Known, Status, status_of
from invoices.payments.lifecycle import (
    PaymentState,
    RefundState,
    Reported,
    furthest,
    furthest_refund,
)

STEPS = ("promised", "declined", "expired", "failed", "paid", "refunded")
ORDERS = list(itertools.permutations(STEPS))
SAMPLE = random.Random(67).sample(ORDERS, 4)
CREATED = 1_800_000_000
"""The provider's time of the first step; each of the others is a second later, in whatever order it comes."""


def _end(order: tuple[str, ...]) -> tuple[Status, list[Status]]:
    """What the rules make of six reports, and every status on the way there."""
    reports = {
        "promised": Reported.PROCESSING,
        "declined": Reported.DECLINED,
        "expired": Reported.EXPIRED,
        "failed": Reported.FAILED,
        "paid": Reported.PAID,
    }
    payment, refund, way = PaymentState.OPEN, RefundState.REQUESTED, []
    for step in order:
        if step in reports:
            payment = furthest(payment, reports[step])
        else:
            refund = furthest_refund(refund, RefundState.SUCCEEDED)
        paid = payment is PaymentState.PAID
        way.append(
            status_of(
                Known(
                    100,
                    collected=100 if paid else 0,
                    returned=100 if paid and refund is RefundState.SUCCEEDED else 0,
                    promised=payment is PaymentState.PROCESSING,
                )
            )
        )
    return way[-1], way


def test_f67_all_720_orders_of_six_events_end_in_the_same_state() -> None:
    assert len(ORDERS) == 720
    ends = {_end(order)[0] for order in ORDERS}
    assert ends == {Status.REFUNDED}
    for order in ORDERS:
        way = _end(order)[1]
        seen = [status in (Status.PAID, Status.REFUNDED) for status in way]
        assert seen == sorted(seen), f"{order} makes a paid invoice unpaid"


@given(st.permutations([*RefundState, *RefundState]))
def test_a_refund_ends_alike_in_every_order(states: list[RefundState]) -> None:
    state = RefundState.REQUESTED
    for claimed in states:
        state = furthest_refund(state, claimed)
    assert state is RefundState.FAILED


class TestOnTheWire:
    """The same as signed webhooks against each database: some orders always, all of them in the long run."""

    pytestmark = pytest.mark.asyncio(loop_scope="module")

    @pytest.mark.parametrize(
        "orders",
        [SAMPLE, pytest.param(ORDERS, marks=[pytest.mark.long, pytest.mark.timeout(600)])],
        ids=["some", "all"],
    )
    async def test_f67_every_order_of_signed_events_ends_alike(
        self, shop: Shop, orders: list[tuple[str, ...]]
    ) -> None:
        ends = set()
        for order in orders:
            invoice = await shop.invoice()
            events = _events(await shop.session(await shop.begin(invoice)))
            for step in order:
                kind, subject = events[step]
                at = CREATED + STEPS.index(step)
                assert (await shop.tell(kind, subject, created=at)).status_code == 200
            state = await shop.state(invoice)
            (payment,) = await shop.payments(invoice)
            ends.add(
                json.dumps([state["status"], state["facts"], state["amount_refunded"], payment["state"]])
            )
            kinds = await _kinds(shop, invoice)
            assert kinds.count("paid") <= 1
            assert kinds.count("refunded") == 1
        assert ends == {json.dumps(["refunded", ["paid_late"], "9999.00", "paid"])}


def _events(session: dict[str, Any]) -> dict[str, tuple[str, dict[str, Any]]]:
    """One of each step, as Stripe tells it of this session."""
    intent = f"pi_{secrets.token_hex(8)}"
    unpaid = session | {"payment_intent": intent, "url": None}
    failed = {"id": intent, "object": "payment_intent", "amount": session["amount_total"]}
    failed |= {"currency": "usd", "livemode": False, "metadata": session["metadata"]}
    refund = {"id": f"re_{secrets.token_hex(8)}", "object": "refund", "amount": session["amount_total"]}
    refund |= {"created": 1, "currency": "usd", "metadata": {}, "payment_intent": intent}
    name = "checkout.session"
    return {
        "promised": (f"{name}.completed", unpaid | {"status": "complete", "payment_status": "unpaid"}),
        "declined": ("payment_intent.payment_failed", failed),
        "expired": (f"{name}.expired", unpaid | {"status": "expired"}),
        "failed": (f"{name}.async_payment_failed", unpaid | {"status": "complete"}),
        "paid": (
            f"{name}.async_payment_succeeded",
            unpaid | {"status": "complete", "payment_status": "paid"},
        ),
        "refunded": ("refund.created", refund | {"status": "succeeded"}),
    }


async def _kinds(shop: Shop, invoice: dict[str, Any]) -> list[str]:
    answer = await shop.browser.get(f"{shop.url}/invoices/{invoice['id']}/events")
    return [event["kind"] for event in answer.json()["events"]]
