"""What the lines of an invoice come to: one written rule, for every currency.

1. A line's amount is quantity times unit price, rounded to the currency's smallest unit; a half goes away
   from zero.
2. The tax of each rate is the sum of its lines' amounts times the rate, rounded likewise: once for each rate
   and not for each line, as EN 16931 has it.
3. The total is the sum of all amounts and all taxes.

Everything is computed exactly and rounded only where the rule says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext
from typing import Any, Final

__all__ = ["Line", "Sums", "Tax", "add_up", "read_lines", "stored_lines"]

# Twice the digits that any factor may have, so that no product is ever rounded by chance.
_EXACT: Final = Context(prec=60, rounding=ROUND_HALF_UP)


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that is charged for. `unit_price` is without tax, `tax_rate` in percent."""

    description: str
    quantity: Decimal
    unit_price: Decimal
    tax_rate: Decimal


@dataclass(frozen=True, slots=True)
class Tax:
    """The tax of one rate: on how much, and how much, in smallest units."""

    rate: Decimal
    base: int
    amount: int


@dataclass(frozen=True, slots=True)
class Sums:
    """What the lines come to, in smallest units: each line's amount, each rate's tax, the total."""

    amounts: tuple[int, ...]
    taxes: tuple[Tax, ...]
    total: int

    @property
    def subtotal(self) -> int:
        """All lines without tax."""
        return sum(self.amounts)


def add_up(lines: Sequence[Line], exponent: int) -> Sums:
    """Apply the rule; `exponent` is how many decimals the currency has."""
    with localcontext(_EXACT):
        amounts = tuple(_rounded((line.quantity * line.unit_price).scaleb(exponent)) for line in lines)
        bases: dict[Decimal, int] = {}
        for line, amount in zip(lines, amounts, strict=True):
            bases[line.tax_rate] = bases.get(line.tax_rate, 0) + amount
        taxes = tuple(
            Tax(rate, base, _rounded(base * rate / 100)) for rate, base in sorted(bases.items()) if rate
        )
    return Sums(amounts, taxes, sum(amounts) + sum(tax.amount for tax in taxes))


def _rounded(amount: Decimal) -> int:
    return int(amount.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def stored_lines(lines: Sequence[Line]) -> list[dict[str, str]]:
    """The lines as a JSON value, with every digit that was sent."""
    return [
        {
            "description": line.description,
            "quantity": str(line.quantity),
            "unit_price": str(line.unit_price),
            "tax_rate": str(line.tax_rate),
        }
        for line in lines
    ]


def read_lines(stored: Sequence[dict[str, Any]] | None) -> tuple[Line, ...]:
    """The lines that `stored_lines` has written."""
    return tuple(
        Line(
            one["description"],
            Decimal(one["quantity"]),
            Decimal(one["unit_price"]),
            Decimal(one["tax_rate"]),
        )
        for one in stored or ()
    )
