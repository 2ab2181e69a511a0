"""Lines, tax and total: one written rule, checked by a second one that computes with fractions."""

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from invoices.invoices.lines import Line, add_up, read_lines, stored_lines
from invoices.pdf import InvoicePdf, PdfLine, PdfTax
from invoices.pdf.view import view

TWO: list[dict[str, Any]] = [
    {"description": "Maintenance", "quantity": "2.5", "unit_price": "99.99", "tax_rate": 19},
    {"description": "Champagne", "unit_price": "1.005", "tax_rate": "7.7"},
]

numbers = st.decimals(min_value=0, max_value=10**6, places=6, allow_nan=False, allow_infinity=False)
prices = st.decimals(min_value=-(10**6), max_value=10**6, places=6, allow_nan=False, allow_infinity=False)
rates = st.sampled_from(["0", "5.5", "7", "7.7", "19", "20", "33.3333", "100"]).map(Decimal)
lines_ = st.builds(Line, st.just("x"), numbers, prices, rates)


def _half_away(value: Fraction) -> int:
    size = floor(abs(value) + Fraction(1, 2))
    return size if value >= 0 else -size


@settings(max_examples=60, deadline=None)
@given(st.lists(lines_, min_size=1, max_size=30), st.sampled_from([0, 2, 3, 4]))
def test_i20_lines_taxes_and_total_agree_by_the_written_rule(lines: list[Line], exponent: int) -> None:
    sums = add_up(lines, exponent)
    amounts = [_half_away(Fraction(one.quantity) * Fraction(one.unit_price) * 10**exponent) for one in lines]
    assert list(sums.amounts) == amounts
    assert sums.subtotal == sum(amounts)
    for tax in sums.taxes:
        base = sum(amount for one, amount in zip(lines, amounts, strict=True) if one.tax_rate == tax.rate)
        assert (tax.base, tax.amount) == (base, _half_away(Fraction(base) * Fraction(tax.rate) / 100))
    assert len({tax.rate for tax in sums.taxes}) == len(sums.taxes)
    assert sums.total == sum(amounts) + sum(tax.amount for tax in sums.taxes)
    assert add_up(list(reversed(lines)), exponent).total == sums.total
    assert read_lines(stored_lines(lines)) == tuple(lines)


@pytest.mark.parametrize("exponent", [0, 2, 3])
def test_f78_tax_on_a_thousand_lines_is_rounded_once_for_each_rate(exponent: int) -> None:
    lines = [Line("x", Decimal(1), Decimal("0.333333"), Decimal("19")) for _ in range(1000)]
    sums = add_up(lines, exponent)
    each = _half_away(Fraction("0.333333") * 10**exponent)
    assert sums.subtotal == 1000 * each
    assert sums.total == 1000 * each + _half_away(Fraction(1000 * each * 19, 100))
    document = InvoicePdf(
        id="1",
        customer="C",
        total_minor=max(sums.total, 1),
        currency={0: "JPY", 2: "USD", 3: "KWD"}[exponent],
        issued_at=datetime(2026, 11, 4, tzinfo=UTC),
        lines=tuple(PdfLine("x", amount) for amount in sums.amounts) if sums.total else (),
        taxes=tuple(PdfTax(str(tax.rate), tax.base, tax.amount) for tax in sums.taxes) if sums.total else (),
    )
    assert len(view(document)["lines"]) == (1000 if sums.total else 1)


class TestOverHttp:
    """The same over HTTP, stored and shown again."""

    pytestmark = pytest.mark.asyncio(loop_scope="module")

    async def test_the_total_follows_from_the_lines(self, service: Any) -> None:
        sent = await service.send({"id": "1", "customer": "C", "lines": TWO})
        assert sent.status_code == 200, sent.text
        # 249.975 -> 249.98 and 1.005 -> 1.01; tax 47.4962 -> 47.50 and 0.07777 -> 0.08.
        assert sent.json()["total"] == "298.57"
        read = (await service.client.get("/invoices/1")).json()
        assert [line["amount"] for line in read["lines"]] == ["249.98", "1.01"]
        assert read["lines"][0] == {
            "description": "Maintenance",
            "quantity": "2.5",
            "unit_price": "99.99",
            "tax_rate": "19",
            "amount": "249.98",
        }
        assert [(tax["rate"], tax["base"], tax["amount"]) for tax in read["taxes"]] == [
            ("7.7", "1.01", "0.08"),
            ("19", "249.98", "47.50"),
        ]
        assert (await service.client.get("/invoices/1/pdf")).content.startswith(b"%PDF-")

    async def test_a_total_that_agrees_is_accepted_and_another_is_refused_with_the_right_one(
        self, service: Any
    ) -> None:
        agreed = await service.send({"id": "1", "customer": "C", "total": "298.57", "lines": TWO})
        assert agreed.json()["total"] == "298.57"
        refused = await service.send({"id": "2", "customer": "C", "total": "298.58", "lines": TWO})
        assert refused.status_code == 422
        assert "the lines come to 298.57 USD" in refused.json()["errors"][0]["reason"]
        assert refused.json()["errors"][0]["field"] == "total"

    async def test_the_same_lines_written_otherwise_are_the_same_invoice(self, service: Any) -> None:
        first = await service.send({"id": "1", "customer": "C", "lines": TWO})
        other = [TWO[0] | {"quantity": 2.50, "tax_rate": "19.0"}, TWO[1] | {"quantity": 1}]
        again = await service.send({"id": "1", "customer": "C", "lines": other})
        assert again.json() == first.json()
        changed = [TWO[0] | {"description": "Repair"}, TWO[1]]
        assert (await service.send({"id": "1", "customer": "C", "lines": changed})).status_code == 409

    @pytest.mark.parametrize(
        ("lines", "field"),
        [
            ([], "lines"),
            ([{"description": "x"}], "lines.0.unit_price"),
            ([{"description": "", "unit_price": 1}], "lines.0.description"),
            ([{"description": "x", "unit_price": "1e3"}], "lines.0.unit_price"),
            ([{"description": "x", "unit_price": "0.1234567"}], "lines.0.unit_price"),
            ([{"description": "x", "unit_price": 1, "quantity": -1}], "lines.0.quantity"),
            ([{"description": "x", "unit_price": 1, "quantity": True}], "lines.0.quantity"),
            ([{"description": "x", "unit_price": 1, "tax_rate": "100.1"}], "lines.0.tax_rate"),
            ([{"description": "x", "unit_price": 1, "tax_rate": "１９"}], "lines.0.tax_rate"),
            ([{"description": "x", "unit_price": 1, "surprise": 1}], "lines.0.surprise"),
            ([{"description": "x", "unit_price": -1}], "total"),
            ([{"description": "x", "unit_price": "0.001"}], "total"),
            ([{"description": "x", "unit_price": 10**11, "quantity": 10**11}], "total"),
            ([{"description": "x", "unit_price": 1}] * 1001, "lines"),
        ],
    )
    async def test_lines_that_are_none_are_refused_by_name(
        self, shared_service: Any, lines: Any, field: str
    ) -> None:
        refused = await shared_service.send({"id": "1", "customer": "C", "lines": lines})
        assert refused.status_code == 422, refused.text
        assert refused.json()["errors"][0]["field"] == field

    async def test_notes_and_address_may_have_several_lines(self, service: Any) -> None:
        texts = {"notes": "Thank you.\nPay soon.", "customer_address": "Gold Street 1\nRichville"}
        sent = (await service.send({"id": "1", "customer": "C", "total": 1} | texts)).json()
        assert {name: sent[name] for name in texts} == texts
        bad = await service.send({"id": "2", "customer": "C", "total": 1, "notes": "a\x1b[2J"})
        assert bad.status_code == 422
