"""Every table of the service in one place: importing this module makes all of them known."""

from invoices.accounts.models import Account, ApiKey
from invoices.database import Base
from invoices.invoices.models import Invoice, InvoiceHappening, InvoiceNumber, StoredAnswer
from invoices.payments.models import Payment, PaymentEvent, Refund

__all__ = [
    "Account",
    "ApiKey",
    "Invoice",
    "InvoiceHappening",
    "InvoiceNumber",
    "Payment",
    "PaymentEvent",
    "Refund",
    "StoredAnswer",
    "metadata",
]

metadata = Base.metadata
