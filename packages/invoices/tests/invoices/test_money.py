"""Amounts: what is accepted, exactly what it is worth, and what is refused with which words."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoices.invoices.money import (
    EXPONENTS,
    MAX_DIGITS,
    MoneyError,
    amount_of,
    display,
    minor_units,
    read_amount,
)


@pytest.mark.parametrize(
    ("value", "currency", "minor"),
    [
        ("9999", "USD", 999_900),
        (9999, "USD", 999_900),
        ("199.90", "USD", 19_990),
        (Decimal("199.9"), "USD", 19_990),
        (Decimal("1e3"), "USD", 100_000),
        ("0.01", "EUR", 1),
        ("1.000", "USD", 100),
        ("00012.5", "USD", 1_250),
        ("500", "JPY", 500),
        ("500.00", "JPY", 500),
        ("1.234", "KWD", 1_234),
        ("999999999999.99", "USD", 99_999_999_999_999),
        ("0." + "10" + "0" * 300, "USD", 10),
    ],
)
def test_an_amount_is_worth_exactly_what_was_written(value: Any, currency: str, minor: int) -> None:
    assert minor_units(read_amount(value), currency) == minor


@pytest.mark.parametrize(
    "value",
    [
        "1e400",
        "1e2",
        Decimal("1e400"),
        Decimal("1e999999999"),
        "NaN",
        "nan",
        "Infinity",
        "-inf",
        Decimal("NaN"),
        Decimal("-Infinity"),
        Decimal("sNaN"),
        True,
        False,
        None,
        [],
        {},
        b"12",
        12.5,
        "",
        " 12",
        "12 ",
        "12\n",
        "1_000",
        "1,000",
        "1 000",
        "１２",
        "١٢",
        "²",
        "½",
        "+5",
        ".5",
        "5.",
        "0x10",
        "--5",
        "5-",
        "5.5.5",
        "$5",
        "5 USD",
        "\u200b5",
        "5\u0000",
        "0",
        0,
        "0.00",
        Decimal("0"),
        Decimal("-0.0"),
        "-5",
        -5,
        Decimal("-0.01"),
        "9" * 13,
        10**12,
        10**30,
        "9" * 5000,
        Decimal("9" * 200_000),
    ],
)
def test_what_is_no_amount_is_refused_in_words(value: Any) -> None:
    with pytest.raises(MoneyError) as refusal:
        read_amount(value)
    assert len(str(refusal.value)) < 200


@pytest.mark.parametrize(
    ("value", "currency", "words"),
    [
        ("0.001", "USD", "USD has 2 decimal places"),
        (Decimal("1e-999999999"), "USD", "and the amount has more"),
        ("10.5", "JPY", "JPY has no decimal places"),
        ("1.2345", "KWD", "KWD has 3 decimal places"),
    ],
)
def test_more_decimals_than_the_currency_has_are_refused_not_rounded(
    value: Any, currency: str, words: str
) -> None:
    with pytest.raises(MoneyError, match=words):
        minor_units(read_amount(value), currency)


def test_zero_and_negative_amounts_are_told_apart_from_nonsense() -> None:
    for value in ("0", "-5", "-5.00"):
        with pytest.raises(MoneyError, match="more than zero"):
            read_amount(value)


@given(
    minor=st.integers(min_value=1, max_value=10 ** (MAX_DIGITS + 2) - 1),
    currency=st.sampled_from(sorted(EXPONENTS)),
)
def test_minor_units_and_amounts_are_each_others_inverse(minor: int, currency: str) -> None:
    amount = amount_of(minor, currency)
    assert minor_units(amount, currency) == minor
    if amount < 10**MAX_DIGITS:
        assert minor_units(read_amount(str(amount)), currency) == minor


@given(st.text(max_size=40))
def test_any_text_is_either_an_amount_or_refused(text: str) -> None:
    try:
        amount = read_amount(text)
    except MoneyError:
        return
    assert text.isascii()
    assert amount == Decimal(text) > 0


def test_amounts_are_shown_with_the_decimals_of_their_currency() -> None:
    assert str(amount_of(999_900, "USD")) == "9999.00"
    assert display(999_900, "USD") == "9,999.00 USD"
    assert display(1_500, "JPY") == "1,500 JPY"
    assert display(1_234, "KWD") == "1.234 KWD"
