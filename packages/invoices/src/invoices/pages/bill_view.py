"""What the hosted page says of an invoice: in which state it is for the customer, and what it comes to."""

from dataclasses import dataclass
from datetime import UTC, date, datetime

from invoices.invoices.lifecycle import Status
from invoices.invoices.lines import Line, Sums, add_up, read_lines
from invoices.invoices.models import Invoice
from invoices.invoices.money import EXPONENTS

__all__ = ["BillView", "state_on"]

_RECEIPTS = frozenset({Status.PAID, Status.PARTIALLY_REFUNDED, Status.REFUNDED})


def state_on(invoice: Invoice, today: date) -> str:
    """The word of the invoice's status; ``overdue`` for one that is open after its due date (in UTC)."""
    is_late = invoice.due_on is not None and invoice.due_on < today
    return "overdue" if is_late and invoice.status == Status.OPEN else Status(invoice.status).value


@dataclass(frozen=True, slots=True)
class BillView:
    """An invoice for its page. `is_receipt` says that money has come, so the page is the receipt."""

    invoice: Invoice
    state: str
    lines: tuple[tuple[Line, int], ...]
    sums: Sums

    @classmethod
    def of(cls, invoice: Invoice) -> "BillView":
        """As it stands today."""
        lines = read_lines(invoice.lines)
        sums = add_up(lines, EXPONENTS[invoice.currency])
        priced = tuple(zip(lines, sums.amounts, strict=True))
        return cls(invoice, state_on(invoice, datetime.now(UTC).date()), priced, sums)

    @property
    def is_receipt(self) -> bool:
        """Whether the page is a receipt."""
        return self.invoice.status in _RECEIPTS

    @property
    def is_payable(self) -> bool:
        """Whether the customer can pay here."""
        return self.invoice.status == Status.OPEN

    @property
    def address(self) -> list[str]:
        """The customer's address, line by line."""
        return (self.invoice.customer_address or "").splitlines()
