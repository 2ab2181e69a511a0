"""A request for an invoice, completed with the service's defaults and checked as a whole."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from invoices.errors import Invalid
from invoices.invoices import money, schemas
from invoices.invoices.lines import Line, add_up, stored_lines

__all__ = ["InvalidTotal", "Order", "sending"]


class InvalidTotal(Invalid):
    """The total cannot be paid in this currency, or is not what the lines come to."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be invoiced. `lines` are None where the total alone was given."""

    id: str
    title: str | None
    customer: str
    customer_email: str | None
    customer_address: str | None
    lines: tuple[Line, ...] | None
    total_minor: int
    currency: str
    due_on: date | None
    notes: str | None
    language: str

    @classmethod
    def of(cls, invoice: schemas.Invoice, default_currency: str, default_language: str) -> "Order":
        """Read the request; raises `InvalidTotal`."""
        currency = invoice.currency or default_currency
        lines = None if invoice.lines is None else tuple(line.value() for line in invoice.lines)
        try:
            total_minor = _total(invoice.total, lines, currency)
            money.check_chargeable(total_minor, currency)
        except money.MoneyError as error:
            raise InvalidTotal(str(error), field="total") from None
        return cls(
            invoice.id,
            invoice.title,
            invoice.customer,
            invoice.customer_email,
            invoice.customer_address,
            lines,
            total_minor,
            currency,
            invoice.due_on,
            invoice.notes,
            invoice.language or default_language,
        )

    def values(self) -> Mapping[str, Any]:
        """The columns that come from the request."""
        return {
            "id": self.id,
            "title": self.title,
            "customer": self.customer,
            "customer_email": self.customer_email,
            "customer_address": self.customer_address,
            "lines": None if self.lines is None else stored_lines(self.lines),
            "total_minor": self.total_minor,
            "currency": self.currency,
            "due_on": self.due_on,
            "notes": self.notes,
            "language": self.language,
            "content_hash": self.content_hash,
        }

    @property
    def content_hash(self) -> str:
        """The same for the same content, however it was written."""
        content = [
            self.title,
            self.customer,
            self.customer_email,
            self.total_minor,
            self.currency,
            self.customer_address,
            None if self.lines is None else [_normal(line) for line in self.lines],
            None if self.due_on is None else self.due_on.isoformat(),
            self.notes,
            self.language,
        ]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def fingerprint(self, callback_url: str | None) -> str:
        """Tells one request for an invoice from another, for idempotency keys."""
        content = [self.id, self.content_hash, callback_url]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def sending(invoice_id: str) -> str:
    """Tells one request to send an invoice once more from another, for idempotency keys."""
    return hashlib.sha256(json.dumps(["send", invoice_id]).encode()).hexdigest()


def _total(given: Decimal | None, lines: tuple[Line, ...] | None, currency: str) -> int:
    """The total in smallest units; raises `MoneyError` where it is not what the lines come to."""
    if lines is None:
        assert given is not None, "the schema asks for one of the two"
        return money.minor_units(given, currency)
    exponent = money.EXPONENTS[currency]
    total = add_up(lines, exponent).total
    amount = money.amount_of(total, currency)
    if total <= 0:
        raise money.MoneyError(f"the lines come to {amount} {currency}, and an invoice to more than zero")
    if amount.adjusted() >= money.MAX_DIGITS:
        raise money.MoneyError(f"the lines come to more than {money.MAX_DIGITS} digits before the point")
    if given is not None and money.minor_units(given, currency) != total:
        raise money.MoneyError(
            f"the lines come to {amount} {currency}; leave `total` out, or say the same there"
        )
    return total


def _normal(line: Line) -> list[str]:
    numbers = (line.quantity, line.unit_price, line.tax_rate)
    return [line.description, *(str(number.normalize()) for number in numbers)]
