import hashlib
import hmac
import os
from collections.abc import Mapping
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

webhooks = [Webhook(secret) for secret in os.environ["WEBHOOK_SECRET"].split()]


def verify(body: bytes, headers: Mapping[str, str], path: str) -> Any:
    """The event; raises WebhookVerificationError."""
    event = None
    for webhook in webhooks:
        try:
            event = webhook.verify(body, dict(headers))  # names in lower case
        except (WebhookVerificationError, ValueError):  # ValueError: malformed headers
            continue
    if event is None:
        raise WebhookVerificationError("no secret fits")
    stem, _, claimed = headers["webhook-id"].rpartition("_")
    made_for = hashlib.sha256(f"{stem}.{path}".encode()).hexdigest()[:8]
    if not hmac.compare_digest(claimed.encode(), made_for.encode()):
        raise WebhookVerificationError("it was signed for another path")
    return event
