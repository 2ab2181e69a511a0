"""Amounts of money: what a request may say, the smallest unit of each currency, and how to show it."""

import re
from decimal import Decimal
from typing import Any, Final

MAX_DIGITS: Final = 12
"""Digits before the decimal point. Twelve keep every amount, in smallest units, far inside 64 bits."""

# ISO 4217, list one (currencies in use; funds, metals and test codes left out), by decimals.
_BY_EXPONENT: Final = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF",
    2: (
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF "
        "CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG "
        "HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU "
        "MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR "
        "SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED "
        "VES WST XCD XCG YER ZAR ZMW ZWG"
    ),
    3: "BHD IQD JOD KWD LYD OMR TND",
}
EXPONENTS: Final[dict[str, int]] = {
    code: exponent for exponent, codes in _BY_EXPONENT.items() for code in codes.split()
}
"""Decimals of each currency of ISO 4217: 2 for USD, 0 for JPY, 3 for KWD."""

# Where Stripe counts in another unit than ISO 4217, by the power of ten between them; and how many of the
# currency's own smallest units it charges at least at a time (docs.stripe.com/currencies).
_PROVIDER_SHIFT: Final = {"ISK": 2, "UGX": 2, "MGA": -2}
_PROVIDER_STEP: Final = dict.fromkeys(("BHD", "JOD", "KWD", "OMR", "TND"), 10) | {"MGA": 100}

_AMOUNT = re.compile(r"(?P<units>[0-9]{1,400})(?:\.(?P<decimals>[0-9]{1,400}))?", re.ASCII)

PATTERN: Final = r"^[0-9]+(\.[0-9]+)?$"
"""The amounts that are accepted as text, for the published document."""


class MoneyError(ValueError):
    """Not an amount that an invoice can have; the text is for the API user."""


def read_amount(value: Any) -> Decimal:
    """The amount that a JSON value means, exactly as written: ``"9999"``, ``9999`` or ``199.90``.

    Text is plain ASCII digits with one optional point. Numbers must have been parsed without going
    through a binary float (see `invoices.exact_json`). Raises `MoneyError`.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        raise MoneyError('give the amount as a number or as text, such as 199.90 or "199.90"')
    if isinstance(value, Decimal):
        return _in_range(_finite(value))
    if isinstance(value, int):
        return _in_range(Decimal(value))
    match = _AMOUNT.fullmatch(value)
    if match is None:
        raise MoneyError(_what_is_wrong(value))
    return _in_range(Decimal(value))


def read_number(value: Any, *, decimals: int, signed: bool = False) -> Decimal:
    """A quantity, a price or a rate, exactly as written, with so many decimals. Raises `MoneyError`."""
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        raise MoneyError('give a number, or a number as text, such as 2.5 or "2.5"')
    if isinstance(value, str):
        match = _AMOUNT.fullmatch(value.removeprefix("-") if signed else value)
        if match is None:
            raise MoneyError('write the number in plain digits with an optional decimal point, such as "2.5"')
    number = _finite(Decimal(value)) if not isinstance(value, str) else Decimal(value)
    if number < 0 and not signed:
        raise MoneyError("the number must not be below zero")
    if number.adjusted() >= MAX_DIGITS:
        raise MoneyError(f"the number is too large: at most {MAX_DIGITS} digits before the point")
    _sign, _digits, power = number.normalize().as_tuple()
    assert isinstance(power, int), "only finite numbers come here"
    if -power > decimals:
        raise MoneyError(f"the number has more than {decimals} decimals")
    return number


def _finite(value: Decimal) -> Decimal:
    if not value.is_finite():
        raise MoneyError(f"{value} is not an amount of money")
    # Before anything is computed with it: 1e999999999 is ten characters, and a billion digits.
    if value and value.adjusted() >= MAX_DIGITS:
        raise MoneyError(f"the amount is too large: at most {MAX_DIGITS} digits before the point")
    return value


def _in_range(amount: Decimal) -> Decimal:
    if amount <= 0:
        raise MoneyError("the amount must be more than zero")
    if amount.adjusted() >= MAX_DIGITS:
        raise MoneyError(f"the amount is too large: at most {MAX_DIGITS} digits before the point")
    return amount


def _what_is_wrong(text: str) -> str:
    if re.fullmatch(r"-[0-9.]+", text, re.ASCII):
        return "the amount must be more than zero"
    return 'write the amount in plain digits with an optional decimal point, such as "199.90"'


def minor_units(amount: Decimal, currency: str) -> int:
    """The amount in the currency's smallest unit; raises `MoneyError` where it has too many decimals."""
    exponent = EXPONENTS[currency]
    _sign, digits, power = amount.as_tuple()
    assert isinstance(power, int), "read_amount lets only finite amounts through"
    significant = "".join(map(str, digits)).rstrip("0")
    if len(significant) - len(digits) - power > exponent and significant:
        raise MoneyError(
            f"{currency} has {exponent or 'no'} decimal place{'' if exponent == 1 else 's'}, "
            "and the amount has more"
        )
    return int(amount.scaleb(exponent))


def check_chargeable(minor: int, currency: str) -> None:
    """Raise `MoneyError` where the payment provider charges no such amount of this currency."""
    step = _PROVIDER_STEP.get(currency, 1)
    if minor % step:
        below = minor - minor % step
        near = " or ".join(str(amount_of(found, currency)) for found in (below, below + step) if found)
        raise MoneyError(
            f"cards are charged in steps of {amount_of(step, currency)} {currency}: for instance {near}"
        )


def provider_units(minor: int, currency: str) -> int:
    """The amount as the payment provider counts it: 500 JPY are 500, 5 ISK are 500, 5.10 KWD are 5100."""
    return int(Decimal(minor).scaleb(_PROVIDER_SHIFT.get(currency, 0)))


def from_provider_units(units: int, currency: str) -> int:
    """The same back, in the currency's smallest unit."""
    return int(Decimal(units).scaleb(-_PROVIDER_SHIFT.get(currency, 0)))


def amount_of(minor: int, currency: str) -> Decimal:
    """The amount with all the decimals of its currency: ``Decimal("9999.00")``."""
    return Decimal(minor).scaleb(-EXPONENTS[currency])


def display(minor: int, currency: str) -> str:
    """The amount as a person reads it, for instance ``9,999.00 USD``."""
    return f"{amount_of(minor, currency):,.{EXPONENTS[currency]}f} {currency}"
