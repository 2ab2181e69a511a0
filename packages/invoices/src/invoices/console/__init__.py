"""The service's own pages in the console: mails, invoices, accounts."""

from pathlib import Path

from invoices.console.accounts import AccountPages
from invoices.console.invoices import InvoicePages
from invoices.console.mails import MailPages
from invoices.console.reading import Reading
from ringback.console import Section

__all__ = ["Reading", "sections"]


def sections(reading: Reading) -> list[Section]:
    """What the service adds to the console's menu."""
    templates = Path(__file__).parent / "templates"
    return [
        Section("/invoices", "Invoices", "i", InvoicePages(reading).routes, templates, "paper"),
        Section("/mails", "Mails", "m", MailPages(reading).routes, templates, "mail"),
        Section("/accounts", "Accounts", "a", AccountPages(reading).routes, templates, "people"),
    ]
