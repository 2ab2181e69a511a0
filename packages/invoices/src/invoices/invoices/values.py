"""What the texts of a request may contain: rules for one value each, whose reasons the API user reads."""

import unicodedata
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from invoices.invoices import money
from invoices.invoices.card_numbers import card_number_in

__all__ = [
    "MISSING",
    "NO_AMOUNT",
    "Amount",
    "Currency",
    "InvoiceId",
    "Line",
    "Price",
    "Quantity",
    "TaxRate",
    "Text",
    "few",
    "one_line",
]

MOST_LINES: Final = 1000

# Control characters, halves of surrogate pairs, line and paragraph separators.
_UNPRINTABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})


def _refuse(kind: str, reason: str) -> PydanticCustomError:
    # The reason is no template: braces in it would be read as placeholders.
    return PydanticCustomError(kind, "{reason}", {"reason": reason})


def one_line(text: str) -> str:
    """A text that may stand in a mail's header."""
    if any(unicodedata.category(character) in _UNPRINTABLE for character in text):
        raise _refuse("one_line", "must be one line without control characters")
    # Some releases of Python decode such a word in a mail's header into whatever it hides, line breaks too.
    if "=?" in text:
        raise _refuse("one_line", 'must not contain "=?", which mail programs read as encoded text')
    return text


def _several_lines(text: str) -> str:
    if any(unicodedata.category(letter) in _UNPRINTABLE for letter in text if letter != "\n"):
        raise _refuse("several_lines", "must not contain control characters other than line feeds")
    return text


def _without_card_number(text: str) -> str:
    if (ending := card_number_in(text)) is not None:
        raise _refuse(
            "card_number",
            f"must not contain a card number, and what ends in {ending} is like one: customers give theirs "
            "to the payment provider alone. If it is something else, write a letter directly before it",
        )
    return text


def few(items: list[Any]) -> list[Any]:
    """A list that a PDF and a mail can hold."""
    if len(items) > MOST_LINES:
        raise _refuse("too_long", f"has {len(items)} entries, and may have {MOST_LINES} at most")
    return items


def _identifier(text: str) -> str:
    if "/" in text or "\\" in text:
        raise _refuse("identifier", "must not contain a slash, because it becomes part of a URL's path")
    if text in (".", ".."):
        raise _refuse("identifier", "must not be a dot segment, which would change a URL's path")
    if not text.isprintable() or text != text.strip():
        raise _refuse("identifier", "must be printable, without spaces at its ends")
    return text


def _number(value: Any, *, decimals: int, signed: bool = False, most: int | None = None) -> Decimal:
    try:
        number = money.read_number(value, decimals=decimals, signed=signed)
    except money.MoneyError as error:
        raise _refuse("number", str(error)) from None
    if most is not None and number > most:
        raise _refuse("number", f"must be {most} at most")
    return number


def _numeric(read: Callable[[Any], Decimal], *, least: int | None, most: int) -> Any:
    limits = {} if least is None else {"minimum": least}
    sign = "-?" if least is None else ""
    return Annotated[
        Decimal,
        BeforeValidator(read),
        WithJsonSchema(
            {
                "anyOf": [
                    {"type": "number", **limits, "maximum": most},
                    {"type": "string", "pattern": rf"^{sign}[0-9]+(\.[0-9]+)?$"},
                ]
            }
        ),
    ]


MISSING: Final = object()
"""Stands for an amount that is required and was not sent."""

NO_AMOUNT: Final = object()
"""Stands for an amount that is required and was sent as null."""


def _amount(value: Any) -> Decimal:
    if value is MISSING:
        raise _refuse("missing", "is required")
    try:
        return money.read_amount(value)
    except money.MoneyError as error:
        raise _refuse("amount", str(error)) from None


def _currency(code: str) -> str:
    if code not in money.EXPONENTS:
        raise _refuse("currency", "is not a currency code of ISO 4217, such as USD or EUR")
    return code


Line = Annotated[str, AfterValidator(one_line), AfterValidator(_without_card_number)]
InvoiceId = Annotated[str, StringConstraints(min_length=1, max_length=255), AfterValidator(_identifier)]
Amount = Annotated[
    Decimal,
    BeforeValidator(_amount),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 10**money.MAX_DIGITS},
                {"type": "string", "pattern": money.PATTERN},
            ]
        }
    ),
]
Currency = Annotated[
    str,
    StringConstraints(min_length=3, max_length=3),
    AfterValidator(_currency),
    WithJsonSchema({"type": "string", "enum": sorted(money.EXPONENTS)}),
]
Text = Annotated[str, AfterValidator(_several_lines), AfterValidator(_without_card_number)]
Quantity = _numeric(partial(_number, decimals=6), least=0, most=10**money.MAX_DIGITS - 1)
Price = _numeric(partial(_number, decimals=6, signed=True), least=None, most=10**money.MAX_DIGITS - 1)
TaxRate = _numeric(partial(_number, decimals=4, most=100), least=0, most=100)
