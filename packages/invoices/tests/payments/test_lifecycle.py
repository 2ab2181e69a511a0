"""The rules of a payment."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from invoices.payments.lifecycle import Expected, PaymentState, Report, Reported, differences, furthest

EXPECTED = Expected("pay_1", "2expen51ve", 999_900, "USD", livemode=False, session_id="cs_1")
REPORT = Report(
    Reported.PAID, "pay_1", "2expen51ve", 999_900, "USD", False, datetime.now(UTC), session_id="cs_1"
)


def test_every_order_of_reports_ends_in_paid_once_one_says_so() -> None:
    for order in itertools.permutations(Reported):
        state = PaymentState.STARTING
        seen = []
        for reported in order:
            state = furthest(state, reported)
            seen.append(state)
        assert state is PaymentState.PAID
        first = seen.index(PaymentState.PAID)
        assert set(seen[first:]) == {PaymentState.PAID}


def test_without_money_every_order_ends_alike_too() -> None:
    reports = [reported for reported in Reported if reported is not Reported.PAID]
    ends = set()
    for order in itertools.permutations(reports):
        state = PaymentState.STARTING
        for reported in order:
            state = furthest(state, reported)
        ends.add(state)
    assert ends == {PaymentState.FAILED}


def test_money_after_a_mismatch_still_counts() -> None:
    assert furthest(PaymentState.REVIEW, Reported.PAID) is PaymentState.PAID
    assert furthest(PaymentState.REVIEW, Reported.EXPIRED) is PaymentState.REVIEW


def test_a_report_that_matches_has_no_differences() -> None:
    assert differences(EXPECTED, REPORT) == {}
    assert differences(replace(EXPECTED, session_id=None), REPORT) == {}
    assert differences(EXPECTED, replace(REPORT, session_id=None)) == {}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"reference": "pay_2"}, "reference"),
        ({"invoice_id": "other"}, "invoice"),
        ({"invoice_id": None}, "invoice"),
        ({"amount": 999_899}, "amount"),
        ({"amount": 999_901}, "amount"),
        ({"currency": "EUR"}, "currency"),
        ({"livemode": True}, "livemode"),
        ({"session_id": "cs_2"}, "session"),
    ],
)
def test_each_difference_is_named(change: dict[str, Any], named: str) -> None:
    found = differences(EXPECTED, replace(REPORT, **change))
    assert list(found) == [named]
    assert found[named].startswith(f"{named} is ")
