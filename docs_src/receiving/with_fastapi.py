import os
from typing import Annotated

from fastapi import Depends, FastAPI
from pydantic import BaseModel

from ringback.receiver import Message, Receiver

receiver = Receiver(os.environ["WEBHOOK_SECRET"])  # whsec_...
app = FastAPI()


class InvoiceEvent(BaseModel):
    description: str
    paid: bool


class InvoiceEventReceived(BaseModel):
    ok: bool


@app.post("/events/invoices/{invoice_id}")
async def invoice_notification(
    invoice_id: str, event: InvoiceEvent, message: Annotated[Message, Depends(receiver)]
) -> InvoiceEventReceived:
    print(f"{invoice_id}: {event.description} (message {message.id})")
    return InvoiceEventReceived(ok=True)
