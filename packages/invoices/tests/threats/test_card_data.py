"""Threat t31: card data never comes here, because no page of ours has a place to type it into."""

import re
from pathlib import Path

import pytest

import invoices

TEMPLATES = sorted(Path(invoices.__file__).parent.rglob("*.html"))
FIELD = re.compile(r"<(?:input|textarea|select)\b[^>]*>|contenteditable", re.IGNORECASE)


@pytest.mark.parametrize("template", TEMPLATES, ids=[path.name for path in TEMPLATES])
def test_t31_no_page_has_a_field_to_type_into(template: Path) -> None:
    fields = FIELD.findall(template.read_text(encoding="utf-8"))
    assert [field for field in fields if 'type="hidden"' not in field] == []


def test_t31_the_pages_were_found() -> None:
    assert {"invoice.html", "checkout.html"} <= {path.name for path in TEMPLATES}
