"""The invoice as a document: its values and their limits."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final, Self

from invoices.invoices.lifecycle import Status
from invoices.invoices.lines import add_up, read_lines
from invoices.invoices.money import EXPONENTS
from invoices.languages import ENGLISH

if TYPE_CHECKING:  # the child that typesets has no use for the database's libraries
    from invoices.invoices.models import Invoice

MOST_LINES: Final = 2_000
LONGEST_TEXT: Final = 4_000
LONGEST_WHOLE: Final = 400_000


class PdfFailed(Exception):
    """No PDF could be made of an invoice; the invoice itself stays valid."""


class PdfRefused(PdfFailed):
    """The invoice is too large, contradicts itself or has no font: no later attempt can succeed."""


class PdfTimeout(PdfFailed):
    """The PDF was not ready in time; a later attempt may succeed."""


@dataclass(frozen=True, slots=True)
class PdfLine:
    """One line of an invoice. Amounts are in minor units of the invoice's currency (cents, for USD).

    A price of more decimals than the currency has is `unit_price`, as text.
    """

    description: str
    amount_minor: int
    quantity: str = ""
    unit_minor: int | None = None
    unit_price: str = ""


@dataclass(frozen=True, slots=True)
class PdfTax:
    """The tax of one rate (in percent, as text), in minor units."""

    rate: str
    base_minor: int
    amount_minor: int


@dataclass(frozen=True, slots=True)
class InvoicePdf:
    """All that a PDF shows of an invoice; the same values always give the same bytes.

    `issued_at` (aware) is the document's date as well as the file's. Without `lines` there is one, made of
    the title and the total. `pay_url` is shown only while something is due. `number` is the account's own
    count, 0 where there is none.
    """

    id: str
    customer: str
    total_minor: int
    currency: str
    issued_at: datetime
    title: str = ""
    customer_email: str = ""
    seller: str = ""
    status: Status = Status.OPEN
    paid_at: datetime | None = None
    pay_url: str = ""
    note: str = ""
    lines: tuple[PdfLine, ...] = ()
    number: int = 0
    due_on: date | None = None
    customer_address: str = ""
    taxes: tuple[PdfTax, ...] = ()
    refunded_minor: int = 0
    language: str = ENGLISH

    @classmethod
    def of(cls, invoice: "Invoice", *, pay_url: str = "", seller: str = "") -> Self:
        """The document of a stored invoice, as it stands now."""
        return cls(
            id=invoice.id,
            customer=invoice.customer,
            total_minor=invoice.total_minor,
            currency=invoice.currency,
            issued_at=invoice.created_at,
            title=invoice.title or "",
            customer_email=invoice.customer_email or "",
            status=Status(invoice.status),
            paid_at=invoice.paid_at,
            pay_url=pay_url,
            seller=seller,
            note=invoice.notes or "",
            number=invoice.number or 0,
            due_on=invoice.due_on,
            customer_address=invoice.customer_address or "",
            refunded_minor=invoice.refunded_minor or 0,
            language=invoice.language or ENGLISH,
            **_priced(invoice),
        )

    @property
    def due_minor(self) -> int:
        """What is still to be paid, in minor units."""
        return self.total_minor if self.status in (Status.OPEN, Status.PROCESSING) else 0


def _priced(invoice: "Invoice") -> dict[str, Any]:
    lines = read_lines(invoice.lines)
    sums = add_up(lines, EXPONENTS[invoice.currency])
    return {
        "lines": tuple(
            PdfLine(line.description, amount, f"{line.quantity:f}", unit_price=f"{line.unit_price:f}")
            for line, amount in zip(lines, sums.amounts, strict=True)
        ),
        "taxes": tuple(PdfTax(f"{tax.rate.normalize():f}", tax.base, tax.amount) for tax in sums.taxes),
    }


def check(data: InvoicePdf) -> None:
    """Raise PdfRefused on what no sensible paper holds."""
    if data.issued_at.tzinfo is None:
        raise PdfRefused("issued_at has no time zone, so the document's date would depend on the machine")
    if len(data.lines) > MOST_LINES:
        raise PdfRefused(f"the invoice has {len(data.lines)} lines; a PDF takes {MOST_LINES} at most")
    texts = [data.id, data.customer, data.title, data.customer_email, data.seller, data.note, data.pay_url]
    texts.append(data.customer_address)
    texts += [text for line in data.lines for text in (line.description, line.quantity)]
    longest = max(map(len, texts))
    if longest > LONGEST_TEXT:
        raise PdfRefused(f"a text of {longest} characters; a PDF takes {LONGEST_TEXT} in one place at most")
    whole = sum(map(len, texts))
    if whole > LONGEST_WHOLE:
        raise PdfRefused(f"texts of {whole} characters altogether; a PDF takes {LONGEST_WHOLE} at most")
    added = sum(line.amount_minor for line in data.lines) + sum(tax.amount_minor for tax in data.taxes)
    if data.lines and added != data.total_minor:
        raise PdfRefused(f"the lines add up to {added} minor units, but the total is {data.total_minor}")
