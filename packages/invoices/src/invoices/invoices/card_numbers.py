"""Finds payment card numbers in what people write, so that none is ever stored, mailed or printed here."""

import re
from typing import Final

__all__ = ["card_number_in"]

# As cards are written: in one piece, or in the groups that are embossed on them. What stands directly after a
# letter is somebody's number for something else.
_WRITTEN: Final = re.compile(
    r"(?<![^\W_])(?:\d{14,19}|\d{4}(?P<gap>[^\S\n]|[.\u2010-\u2015-])\d{4}(?P=gap)\d{4}(?P=gap)\d{4}(?:(?P=gap)\d{3})?"
    r"|\d{4}(?P<space>[^\S\n]|[.\u2010-\u2015-])\d{6}(?P=space)\d{4,5})(?![^\W_])"
)
_IBAN_BEFORE: Final = re.compile(r"(?<![^\W_])[A-Z]{2}\d{2}(?:[ -]?[A-Z\d]{4})*[ -]?\Z")
_FOUR_BEFORE: Final = re.compile(r"(?<!\d)\d{4}[ .-]\Z")
_FOUR_AFTER: Final = re.compile(r"[ .-]\d{4}(?!\d)")
_LONGEST_IBAN: Final = 42

# First digits, and how many there are in all: Visa, Mastercard, American Express, Diners Club, Discover, JCB,
# UnionPay. The old numbers of 13 digits are left out: every article of trade has one of those.
_ISSUED: Final = re.compile(
    r"4\d{15}(?:\d{3})?|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    r"|3(?:0[0-5]|[689]\d)\d{11}|(?:6011|64[4-9]\d|65\d\d|62\d\d|35(?:2[89]|[3-8]\d))\d{12,15}"
)


def card_number_in(text: str) -> str | None:
    """The last four digits of a card number in `text`, None where there is none.

    It must be of a length and beginning that card schemes use, and its check digit must be right. Of other
    numbers of sixteen digits about one in fifty is like that; bank account numbers (IBAN) are left alone.
    """
    for match in _WRITTEN.finditer(text):
        digits = "".join(str(int(letter)) for letter in match[0] if letter.isdecimal())
        if _ISSUED.fullmatch(digits) and _is_checked(digits) and not _is_part_of_more(text, match):
            return digits[-4:]
    return None


def _is_checked(digits: str) -> bool:
    """Whether the last digit follows from the others (Luhn, ISO/IEC 7812-1)."""
    doubled = (divmod(2 * int(digit), 10) for digit in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(map(sum, doubled))) % 10 == 0


def _is_part_of_more(text: str, match: re.Match[str]) -> bool:
    """Whether the groups go on before or after, or an IBAN's country and check digits come first."""
    before = text[max(0, match.start() - _LONGEST_IBAN) : match.start()]
    if _IBAN_BEFORE.search(before):
        return True
    in_groups = not match[0].isdecimal()
    after = text[match.end() : match.end() + 6]
    return in_groups and bool(_FOUR_BEFORE.search(before) or _FOUR_AFTER.match(after))
