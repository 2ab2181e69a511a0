"""The languages in which customers are written to: words from catalogs, amounts and dates by the locale.

English stands in the templates and in the code. Every other language has a catalog beside this file, named
after it, which is read when it is first needed: there is nothing to compile. What programs read (the API, its
errors, callbacks) is English always.
"""

import gettext
import io
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, get_args

from babel import Locale
from babel.dates import format_date, format_time
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_currency, format_decimal

from invoices.invoices.money import EXPONENTS, amount_of

__all__ = ["ENGLISH", "LANGUAGES", "Language", "LanguageTag", "language_of", "wanted"]

LanguageTag = Literal["en", "zh-CN"]
"""The tag of a language, as BCP 47 has it."""

LANGUAGES: Final[tuple[str, ...]] = get_args(LanguageTag)
"""All of them."""

ENGLISH: Final = "en"
"""The language of the templates and of the code."""

# Browsers write the languages in their order, so the weights need not be read.
_LONGEST_HEADER: Final = 200

# How an English date is written differs between countries: this one begins with the day.
_LOCALES: Final = {"en": "en_GB", "zh-CN": "zh_Hans_CN"}


@dataclass(frozen=True, slots=True)
class Language:
    """One language. Amounts carry their currency's code, because a sign such as $ or ¥ names several."""

    tag: str
    locale: Locale
    catalog: gettext.NullTranslations

    def gettext(self, message: str, /, **values: object) -> str:
        """The message in this language, with its ``%(name)s`` filled in."""
        return self.catalog.gettext(message) % values

    def figure(self, minor: int, currency: str) -> str:
        """The amount's digits without its currency, such as ``9,999.00``."""
        currency = currency.upper()
        return self._money(amount_of(minor, currency), currency, EXPONENTS[currency], "")

    def amount(self, minor: int, currency: str) -> str:
        """The amount with its currency, such as ``9,999.00 USD``."""
        currency = currency.upper()
        return self._money(amount_of(minor, currency), currency, EXPONENTS[currency], " ¤¤")

    def price(self, price: Decimal, currency: str) -> str:
        """The price of one, with all its decimals, and with those of the currency at least."""
        places = -int(price.normalize().as_tuple().exponent)
        return self._money(price, currency, max(places, EXPONENTS[currency]), " ¤¤")

    def number(self, number: Decimal) -> str:
        """A quantity or a rate, with all its decimals."""
        return format_decimal(number.normalize(), "#,##0.######", locale=self.locale)

    def day(self, moment: date) -> str:
        """A date as a person writes it; of a moment, the date in UTC: ``24 November 2026``."""
        if isinstance(moment, datetime):
            moment = moment.astimezone(UTC).date()
        return format_date(moment, "long", locale=self.locale)

    def clock(self, moment: datetime) -> str:
        """The time of the day in UTC, such as ``14:05 UTC``."""
        return f"{format_time(moment.astimezone(UTC), 'HH:mm', locale=self.locale)} UTC"

    def _money(self, value: Decimal, currency: str, places: int, unit: str) -> str:
        # The decimals are ours: those of Babel's data are what people use, not what ISO 4217 says.
        pattern = "#,##0" + ("." + "0" * places if places else "") + unit
        return format_currency(value, currency, pattern, locale=self.locale, currency_digits=False)


def language_of(tag: str) -> Language:
    """The language with this tag; raises KeyError where there is none."""
    return _read(tag)


def wanted(header: str, otherwise: str) -> str:
    """The tag of the language that a reader wants most, by ``Accept-Language`` (RFC 9110, 12.5.4)."""
    for part in header[:_LONGEST_HEADER].split(","):
        primary = part.partition(";")[0].strip().partition("-")[0].lower()
        for tag in LANGUAGES:
            if primary == tag.partition("-")[0]:
                return tag
    return otherwise


@cache
def _read(tag: str) -> Language:
    return Language(tag, Locale.parse(_LOCALES[tag]), _catalog(tag))


def _catalog(tag: str) -> gettext.NullTranslations:
    if tag == ENGLISH:
        return gettext.NullTranslations()
    with (Path(__file__).parent / f"{tag}.po").open("rb") as file:
        written: Any = read_po(file, locale=Locale.parse(_LOCALES[tag]))
    compiled = io.BytesIO()
    write_mo(compiled, written)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)
