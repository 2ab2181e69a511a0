"""For the external developer: prove that a callback came from the provider, and act on it only once.

Needs no database and nothing of the provider's code. Verification works on the raw bytes, so it comes before
anything else reads them:

    receiver = Receiver("whsec_...")

    @app.post("/events/invoices/{invoice_id}")
    async def invoice_notification(
        invoice_id: str, event: InvoiceEvent, message: Annotated[Message, Depends(receiver)]
    ) -> InvoiceEventReceived: ...
"""

from ringback._signing import InvalidSecret, InvalidSignature
from ringback.receiver._inbox import Inbox, MemoryInbox
from ringback.receiver._receiver import Message, Receiver
from ringback.receiver._sql_inbox import SqlInbox

__all__ = ["Inbox", "InvalidSecret", "InvalidSignature", "MemoryInbox", "Message", "Receiver", "SqlInbox"]
