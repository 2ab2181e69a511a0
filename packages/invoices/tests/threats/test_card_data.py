"""Threat t31: card data never comes here. No customer's page has a place for it, and no text may hold one."""

import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import invoices
from invoices.invoices.card_numbers import card_number_in
from invoices.invoices.schemas import Invoice

CUSTOMERS = Path(invoices.__file__).parent
# What operators search by in the console is seen by no customer.
TEMPLATES = sorted(path for path in CUSTOMERS.rglob("*.html") if path.parts[-3] != "console")
FIELD = re.compile(r"<(?:input|textarea|select)\b[^>]*>|contenteditable", re.IGNORECASE)


@pytest.mark.parametrize("template", TEMPLATES, ids=[path.name for path in TEMPLATES])
def test_t31_no_page_has_a_field_to_type_into(template: Path) -> None:
    fields = FIELD.findall(template.read_text(encoding="utf-8"))
    assert [field for field in fields if 'type="hidden"' not in field] == []


def test_t31_the_pages_were_found() -> None:
    assert {"invoice.html", "checkout.html"} <= {path.name for path in TEMPLATES}


# --- texts -------------------------------------------------------------------------------------------------

# What card schemes and payment providers publish for tests.
_PUBLISHED = """
    4111111111111111 4242424242424242 4012888888881881 5555555555554444 5105105105105100 2223003122003222
    378282246310005 371449635398431 6011111111111117 6011000990139424 30569309025904 38520000023237
    3530111333300000 6200000000000005 4917610000000000003
"""
CARDS = _PUBLISHED.split()
WAYS = [
    *("{}", "card {}.", "({})", "{}, valid until 12/29", "2026-01-02 {}", "no.{}", "PAN:{}", "Ünïcode {}→"),
    "paid\nwith\n{}\nthanks",
]
OTHERS = [
    "IBAN DE89 3704 0044 0532 0130 00",
    "AT53 5400 0000 0000 0005",
    "PL61 1090 1014 4242 4242 4242 4242",
    "IBAN GB29NWBK60161331926819",
    "EAN 4006381333931",
    "IMEI 490154203237518",
    "IMEI 35 209900 176148 1",
    "tracking 1Z999AA10123456784",
    "order A4111111111111111",
    "order 4111111111111112",
    "4111 1111 1111 1111 1111 1111",
    "1234 4111 1111 1111 1111",
    "411111111111111111111111111111",
    "+49 30 901820 / 2026-11-24 15:39:06",
    "0000000000000000",
    "9999999999999995",
]


def grouped(digits: str, gap: str) -> str:
    sizes = {15: (4, 6, 5), 14: (4, 6, 4), 19: (4, 4, 4, 4, 3)}.get(len(digits), (4, 4, 4, 4))
    rest = iter(digits)
    return gap.join("".join(next(rest) for _ in range(size)) for size in sizes)


@pytest.mark.parametrize("card", CARDS)
def test_t31_a_card_number_is_found_however_it_is_written(card: str) -> None:
    wide = "".join(chr(0xFF10 + int(digit)) for digit in card)
    written = [card, wide, *(grouped(card, gap) for gap in (" ", "-", ".", "\u00a0", "\u2011", "\u2013"))]
    for way in WAYS:
        for one in written:
            assert card_number_in(way.format(one)) == card[-4:], way.format(one)


@pytest.mark.parametrize("text", OTHERS)
def test_other_numbers_are_let_through(text: str) -> None:
    assert card_number_in(text) is None


def test_few_numbers_are_taken_for_cards_that_are_none() -> None:
    chance = random.Random(31)
    numbers = [str(chance.randrange(10**15, 10**16)) for _ in range(20_000)]
    assert sum(card_number_in(number) is not None for number in numbers) / len(numbers) < 0.03


def test_the_search_takes_linear_time() -> None:
    for text in ("1" * 100_000, "1111 " * 20_000, "4111-" * 20_000, "A1 " * 30_000, "DE89 " * 20_000):
        assert card_number_in(text) is None


def texts(schema: dict[str, Any], definitions: dict[str, Any]) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Where the body of an invoice takes any text, as a path, and the field's name in an error."""
    for name, described in schema["properties"].items():
        for one in described.get("anyOf", [described]):
            if one.get("type") == "string" and not {"format", "enum", "pattern"} & one.keys():
                yield (name,), name
            if one.get("type") == "array" and "$ref" in one["items"]:
                inner = definitions[one["items"]["$ref"].rpartition("/")[2]]
                yield from (
                    ((name, 0, *path), f"{name}.0.{field}") for path, field in texts(inner, definitions)
                )


SCHEMA = Invoice.model_json_schema()
# An id is a key of the API user's own, often a number, and no text for people.
TEXTS = [found for found in texts(SCHEMA, SCHEMA["$defs"]) if found[1] != "id"]


def test_the_texts_were_found() -> None:
    assert {"title", "customer", "notes", "lines.0.description"} <= {field for _, field in TEXTS}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_t31_a_card_number_in_any_text_is_refused_and_kept_nowhere(start_service: Any) -> None:
    async with start_service() as service:
        for path, field in TEXTS:
            line = {"description": "Work", "quantity": 1, "unit_price": 1}
            invoice: Any = {"id": "1", "customer": "C", "lines": [line]}
            *way, last = path
            inner = invoice
            for step in way:
                inner = inner[step]
            inner[last] = "paid by 4111 1111 1111 1111"
            answer = await service.send(invoice)
            assert answer.status_code == 422, field
            assert [error["field"] for error in answer.json()["errors"]] == [field]
            assert "4111 1111" not in answer.text
            assert "ends in 1111" in answer.text
        assert await service.stored() == {}
