"""Every table of the service in one place: importing this module makes all of them known."""

from invoices.accounts.models import Account, ApiKey
from invoices.database import Base
from invoices.invoices.models import Invoice, StoredAnswer
from invoices.payments.models import Payment, PaymentEvent

__all__ = ["Account", "ApiKey", "Invoice", "Payment", "PaymentEvent", "StoredAnswer", "metadata"]

metadata = Base.metadata
