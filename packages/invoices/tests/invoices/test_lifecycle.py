"""The states of an invoice."""

import pytest

from invoices.invoices.lifecycle import Event, NotPossible, Status, after


def test_an_open_invoice_can_be_paid_voided_or_go_through_processing() -> None:
    assert after(Status.OPEN, Event.PAYMENT_ARRIVED) is Status.PAID
    assert after(Status.OPEN, Event.VOIDED) is Status.VOID
    assert after(Status.OPEN, Event.PAYMENT_STARTED) is Status.PROCESSING
    assert after(Status.PROCESSING, Event.PAYMENT_FAILED) is Status.OPEN


@pytest.mark.parametrize("status", [Status.PROCESSING, Status.PAID, Status.REFUNDED])
def test_money_on_its_way_or_here_cannot_be_voided(status: Status) -> None:
    with pytest.raises(NotPossible, match=f"an invoice that is {status} cannot be voided"):
        after(status, Event.VOIDED)


@pytest.mark.parametrize("status", [Status.OPEN, Status.PROCESSING, Status.VOID])
def test_money_that_has_arrived_counts_whatever_was_decided_meanwhile(status: Status) -> None:
    assert after(status, Event.PAYMENT_ARRIVED) is Status.PAID


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("event", Event)
def test_what_happens_twice_ends_where_it_ended_once(status: Status, event: Event) -> None:
    try:
        once = after(status, event)
    except NotPossible:
        return
    assert after(once, event) is once


@pytest.mark.parametrize("event", [Event.PAYMENT_FAILED, Event.PAYMENT_STARTED, Event.VOIDED])
def test_no_late_message_makes_a_paid_invoice_unpaid(event: Event) -> None:
    try:
        assert after(Status.PAID, event) is Status.PAID
    except NotPossible:
        assert event is Event.VOIDED
