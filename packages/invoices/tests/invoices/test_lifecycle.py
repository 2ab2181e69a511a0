"""Where an invoice stands, by the tables."""

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoices.invoices.lifecycle import (
    NEXT,
    Action,
    Decision,
    Fact,
    Known,
    Money,
    NotPossible,
    Status,
    allows,
    facts_of,
    require,
    status_of,
)

KNOWN = [
    Known(100, collected, returned, promised, decision)
    for collected, returned, promised, decision in product(
        (0, 100, 200), (0, 40, 100, 150, 200), (False, True), Decision
    )
]


@pytest.mark.parametrize(
    ("known", "status"),
    [
        (Known(100), Status.OPEN),
        (Known(100, promised=True), Status.PROCESSING),
        (Known(100, collected=100), Status.PAID),
        (Known(100, collected=100, promised=True), Status.PAID),
        (Known(100, collected=100, returned=40), Status.PARTIALLY_REFUNDED),
        (Known(100, collected=100, returned=100), Status.REFUNDED),
        (Known(100, collected=200, returned=100), Status.PAID),
        (Known(100, collected=200, returned=150), Status.PARTIALLY_REFUNDED),
        (Known(100, returned=100), Status.OPEN),
        (Known(100, decision=Decision.VOID), Status.VOID),
        (Known(100, promised=True, decision=Decision.VOID), Status.VOID),
        (Known(100, collected=100, decision=Decision.VOID), Status.PAID),
        (Known(100, decision=Decision.WRITTEN_OFF), Status.UNCOLLECTIBLE),
        (Known(100, collected=100, decision=Decision.WRITTEN_OFF), Status.PAID),
    ],
)
def test_what_is_known_decides_the_status(known: Known, status: Status) -> None:
    assert status_of(known) is status


def test_every_status_can_be_reached_and_has_its_followers() -> None:
    assert {status_of(known) for known in KNOWN} == set(Status) == set(NEXT)


@given(st.data())
def test_whatever_becomes_known_next_the_table_has_the_step(data: st.DataObject) -> None:
    known = Known(100)
    for _ in range(8):
        step = data.draw(st.sampled_from(["promise", "break", "pay", "return", "fail", "void", "write off"]))
        before = status_of(known)
        after = status_of(_next(known, step))
        if step in ("void", "write off") and not allows(before, Action(step)):
            continue
        assert after is before or after in NEXT[before], (known, step)
        known = _next(known, step)


def _next(known: Known, step: str) -> Known:
    decided = {"void": Decision.VOID, "write off": Decision.WRITTEN_OFF}
    if step in decided:
        return known if known.decision is Decision.VOID else replace(known, decision=decided[step])
    if step in ("promise", "break"):
        return replace(known, promised=step == "promise")
    if step == "pay":
        return replace(known, collected=min(known.collected + 100, 200))
    most = min(known.returned + 50, 200)
    return replace(known, returned=most if step == "return" else max(known.returned - 50, 0))


@pytest.mark.parametrize("status", [Status.PROCESSING, Status.PAID, Status.PARTIALLY_REFUNDED])
def test_money_on_its_way_or_here_cannot_be_voided(status: Status) -> None:
    with pytest.raises(NotPossible, match=f"an invoice that is {status} cannot be voided"):
        require(status, Action.VOID)


def test_what_has_seen_money_never_becomes_unpaid_again() -> None:
    unpaid = {Status.OPEN, Status.PROCESSING, Status.VOID, Status.UNCOLLECTIBLE}
    for status in set(Status) - unpaid:
        assert not NEXT[status] & unpaid


@pytest.mark.parametrize("action", Action)
def test_only_what_is_owed_can_be_acted_on_except_for_giving_money_back(action: Action) -> None:
    allowed = {status for status in Status if allows(status, action)}
    with_money = {Status.PAID, Status.PARTIALLY_REFUNDED, Status.REFUNDED}
    assert bool(allowed & with_money) is (action is Action.REFUND)


def test_each_fact_has_its_condition() -> None:
    paid = Known(100, collected=100)
    assert facts_of(paid, late=False, disputed=False) == ()
    assert facts_of(paid, late=True, disputed=True) == (Fact.PAID_LATE, Fact.DISPUTED)
    assert facts_of(Known(100), late=True, disputed=False) == ()
    assert facts_of(replace(paid, collected=200), late=False, disputed=False) == (Fact.OVERPAID,)
    void = replace(paid, decision=Decision.VOID)
    assert facts_of(void, late=False, disputed=False) == (Fact.PAID_AFTER_VOID,)
    assert facts_of(Known(100, decision=Decision.VOID), late=False, disputed=False) == ()


def test_i17_and_i19_paid_means_that_the_money_is_here_and_void_that_it_never_came() -> None:
    for known in KNOWN:
        status = status_of(known)
        held = known.collected - known.returned
        assert (status is Status.PAID) is (known.collected > 0 and held >= known.total)
        assert (status is Status.VOID) <= (known.collected == 0 and known.money is Money.NONE)
