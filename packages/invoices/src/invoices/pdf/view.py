"""The words and amounts that the template sets, in the invoice's language."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from invoices.invoices.lifecycle import DUE, Status
from invoices.languages import Language, language_of
from invoices.pdf.document import InvoicePdf, PdfLine, check
from invoices.pdf.text import isolated, printable

__all__ = ["view"]

# As typst has it: the language's and the region's part of the locale.
_REGIONS: Final = {"en": ("en", "gb"), "zh-CN": ("zh", "cn")}

_TONES: Final = {Status.OPEN: "open", Status.PROCESSING: "open", Status.PAID: "paid"}


def view(data: InvoicePdf) -> dict[str, Any]:
    """The values that the template sets, as JSON. Raises PdfRefused on what no sensible paper holds."""
    check(data)
    language = language_of(data.language)
    _ = language.gettext
    number, seller, title = printable(data.id), printable(data.seller), printable(data.title)
    heading = _("Invoice %(number)s", number=number)
    short = _("Invoice %(number)s", number=_shortened(number))
    script, region = _REGIONS[data.language]
    return {
        "lang": script,
        "region": region,
        "labels": _labels(_),
        "id": isolated(number),
        "number": str(data.number or ""),
        "due_on": "" if data.due_on is None else language.day(data.due_on),
        "customer_address": [isolated(printable(line)) for line in data.customer_address.splitlines()],
        "heading": heading,
        "footer": " · ".join(isolated(part) for part in (_shortened(seller), short) if part),
        "seller": isolated(seller),
        "author": seller,
        "customer": isolated(printable(data.customer)),
        "customer_email": printable(data.customer_email),
        "title": isolated(title) if data.lines else "",
        "issued": language.day(data.issued_at),
        "status": _status(data, language),
        "tone": _TONES.get(data.status, "closed"),
        "due_label": _("Amount due") if data.due_minor else _("Nothing to pay"),
        "due": language.amount(data.due_minor, data.currency),
        "pay_url": data.pay_url if data.status is Status.OPEN else "",
        "counted": any(line.quantity or _unit(line, data.currency, language) for line in data.lines),
        "lines": _lines(data, title or heading, language),
        "sums": _sums(data, language),
        "note": isolated(printable(data.note)),
    }


def _labels(_: Callable[[str], str]) -> dict[str, str]:
    return {
        "invoice": _("Invoice"),
        "invoice_number": _("Invoice number"),
        "running_number": _("Running number"),
        "issued": _("Date of issue"),
        "due_on": _("Due date"),
        "status": _("Status"),
        "from": _("From"),
        "to": _("Billed to"),
        "pay": _("Pay online"),
        "description": _("Description"),
        "quantity": _("Quantity"),
        "unit": _("Unit price"),
        "amount": _("Amount"),
        # Filled in by the template: only the typesetter knows how many pages there are.
        "page": _("Page {page} of {pages}"),
        "unprintable": _("Some characters could not be printed; in their places stands �."),
    }


def _status(data: InvoicePdf, language: Language) -> str:
    _ = language.gettext
    if data.status is Status.PAID and data.paid_at is not None:
        return _("Paid on %(day)s", day=language.day(data.paid_at))
    words = {
        Status.OPEN: _("Open"),
        Status.PROCESSING: _("Payment in progress"),
        Status.PAID: _("Paid"),
        Status.PARTIALLY_REFUNDED: _("Partly refunded"),
        Status.REFUNDED: _("Refunded"),
        Status.UNCOLLECTIBLE: _("Closed"),
        Status.VOID: _("Void"),
    }
    return words[data.status]


def _lines(data: InvoicePdf, title: str, language: Language) -> list[dict[str, str]]:
    return [
        {
            "description": isolated(printable(line.description)),
            "quantity": isolated(printable(line.quantity)),
            "unit": _unit(line, data.currency, language),
            "amount": language.amount(line.amount_minor, data.currency),
        }
        for line in data.lines or (PdfLine(title, data.total_minor),)
    ]


def _sums(data: InvoicePdf, language: Language) -> list[dict[str, Any]]:
    _ = language.gettext
    rows = [
        (_("Tax %(rate)s %%", rate=language.number(Decimal(tax.rate))), tax.amount_minor)
        for tax in data.taxes
    ]
    if rows:
        rows.insert(0, (_("Subtotal"), sum(line.amount_minor for line in data.lines)))
    rows.append((_("Total"), data.total_minor))
    if data.status not in DUE and data.status not in (Status.VOID, Status.UNCOLLECTIBLE):
        rows.append((_("Amount paid"), -data.total_minor))
        paid = data.status is Status.PAID
        rows.append((_("Amount due"), 0) if paid else (_("Amount refunded"), data.refunded_minor))
    return [
        {"label": label, "amount": language.amount(minor, data.currency), "strong": place == len(rows)}
        for place, (label, minor) in enumerate(rows, start=1)
    ]


def _unit(line: PdfLine, currency: str, language: Language) -> str:
    """The price of one."""
    if line.unit_price:
        return language.price(Decimal(line.unit_price), currency)
    return "" if line.unit_minor is None else language.amount(line.unit_minor, currency)


def _shortened(text: str, most: int = 36) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
