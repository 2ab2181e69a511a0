"""Dates and amounts as people write them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from invoices.pages.rendering import clock, day, figure


@pytest.mark.parametrize(
    ("minor", "currency", "shown"),
    [(999_900, "USD", "9,999.00"), (5, "usd", "0.05"), (1_000, "JPY", "1,000"), (1, "KWD", "0.001")],
)
def test_a_figure_has_the_decimals_of_its_currency(minor: int, currency: str, shown: str) -> None:
    assert figure(minor, currency) == shown


def test_dates_and_times_are_told_in_utc() -> None:
    moment = datetime(2026, 12, 31, 23, 30, tzinfo=timezone(timedelta(hours=-2)))
    assert (day(moment), clock(moment)) == ("1 January 2027", "01:30 UTC")
    assert day(datetime(2026, 2, 3, tzinfo=UTC)) == "3 February 2026"
