import os

from fastapi import FastAPI, HTTPException, Request
from standardwebhooks import Webhook, WebhookVerificationError

webhook = Webhook(os.environ["WEBHOOK_SECRET"])
app = FastAPI()


@app.post("/events/invoices/{invoice_id}")
async def invoice_notification(invoice_id: str, request: Request) -> dict[str, bool]:
    try:
        event = webhook.verify(await request.body(), dict(request.headers))
    except (WebhookVerificationError, ValueError) as error:  # ValueError: malformed headers
        raise HTTPException(403, "The request's signature was not accepted") from error
    print(f"{invoice_id}: {event['description']}")
    return {"ok": True}
