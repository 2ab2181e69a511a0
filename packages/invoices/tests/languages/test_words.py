"""Dates and amounts as people write them, and catalogs that say everything."""

import re
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from scripts.catalogs import SERVICE, messages, updated, write

from invoices.languages import ENGLISH, LANGUAGES, language_of, wanted
from invoices.settings import Settings
from invoices.templates import in_languages

EN, ZH = language_of("en"), language_of("zh-CN")
CATALOGS = sorted((SERVICE / "languages").glob("*.po"))


@pytest.mark.parametrize(
    ("minor", "currency", "shown"),
    [
        *((999_900, "USD", "9,999.00"), (5, "usd", "0.05"), (1_000, "JPY", "1,000"), (1, "KWD", "0.001")),
        # CLDR knows no fils and no eyrir, because nobody pays with them; ISO 4217 does.
        *((1_234_567, "IQD", "1,234.567"), (12_345, "ISK", "12,345"), (12_345, "HUF", "123.45")),
    ],
)
def test_a_figure_has_the_decimals_of_its_currency(minor: int, currency: str, shown: str) -> None:
    for language in (EN, ZH):
        assert language.figure(minor, currency) == shown
        assert language.amount(minor, currency) == f"{shown} {currency.upper()}"


def test_the_largest_amount_is_written_to_its_last_digit() -> None:
    assert EN.amount(99_999_999_999_999, "EUR") == "999,999,999,999.99 EUR"
    assert EN.amount(-15_000, "USD") == "-150.00 USD"


def test_prices_and_quantities_have_all_their_decimals() -> None:
    assert EN.price(Decimal("0.000001"), "USD") == "0.000001 USD"
    assert EN.price(Decimal("1200"), "JPY") == "1,200 JPY"
    assert EN.price(Decimal("89.9"), "USD") == "89.90 USD"
    assert [EN.number(Decimal(text)) for text in ("12.50", "1000", "7.7", "0.000001")] == [
        *("12.5", "1,000", "7.7", "0.000001")
    ]


def test_dates_and_times_are_told_in_utc_and_as_the_language_has_them() -> None:
    moment = datetime(2026, 12, 31, 23, 30, tzinfo=timezone(timedelta(hours=-2)))
    assert (EN.day(moment), EN.clock(moment)) == ("1 January 2027", "01:30 UTC")
    assert EN.day(datetime(2026, 2, 3, tzinfo=UTC)) == "3 February 2026"
    assert (ZH.day(moment), ZH.day(date(2026, 2, 3))) == ("2027年1月1日", "2026年2月3日")


def test_every_language_but_english_has_a_catalog_and_no_catalog_is_of_another() -> None:
    assert {path.stem for path in CATALOGS} == set(LANGUAGES) - {ENGLISH}


@pytest.mark.parametrize("path", CATALOGS, ids=lambda path: path.stem)
def test_a_catalog_says_everything_and_nothing_else(path: Path, tmp_path: Path) -> None:
    catalog = updated(path)
    missing = [message.id for message in catalog if message.id and not message.string]
    assert missing == [], "translate them; `python -m scripts.catalogs` adds their places"
    again = tmp_path / path.name
    write(catalog, again)
    assert again.read_text("utf-8") == path.read_text("utf-8"), "run `python -m scripts.catalogs`"


@pytest.mark.parametrize("path", CATALOGS, ids=lambda path: path.stem)
def test_a_translation_is_filled_with_what_its_message_is_filled_with(path: Path) -> None:
    with path.open("rb") as file:
        catalog = read_po(file)
    for message in filter(lambda message: message.id, catalog):
        places = [re.findall(r"%\(\w+\)s|%%|\{\w+\}", str(text)) for text in (message.id, message.string)]
        assert sorted(places[0]) == sorted(places[1]), message.id
        assert "<" not in str(message.string), "no translation brings markup"


def test_a_message_is_found_in_templates_and_in_code() -> None:
    places = {place for _, place in messages()}
    assert {"pages/templates/invoice.html", "mail/templates/invoice.txt", "pdf/view.py"} <= places
    assert "pages/templates/checkout.html" not in places


def test_what_a_message_is_filled_with_is_escaped() -> None:
    for environment in in_languages("invoices.pages", autoescape=True).values():
        shown = environment.from_string('{{ _("Pay %(amount)s", amount="<b>%d</b>") }}').render()
        assert "&lt;b&gt;%d&lt;/b&gt;" in shown


@pytest.mark.parametrize(
    ("header", "tag"),
    [
        *(("", "en"), ("zh-CN,zh;q=0.9,en;q=0.8", "zh-CN"), ("zh-TW", "zh-CN"), ("fr, ZH;q=0.1", "zh-CN")),
        *(("de-DE,en-GB;q=0.5,zh", "en"), ("*", "en"), (";;;,,,", "en"), ("x" * 100_000, "en")),
    ],
)
def test_a_reader_gets_the_language_of_the_browser(header: str, tag: str) -> None:
    assert wanted(header, "en") == tag


def test_an_unknown_language_refuses_to_start() -> None:
    with pytest.raises(ValueError, match="'en' or 'zh-CN'"):
        Settings.model_validate({"language": "tlh"})
