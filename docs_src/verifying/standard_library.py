import base64
import hashlib
import hmac
import json
import os
import time
from collections.abc import Mapping
from typing import Any

keys = [base64.b64decode(text.removeprefix("whsec_")) for text in os.environ["WEBHOOK_SECRET"].split()]


def verify(body: bytes, headers: Mapping[str, str], path: str) -> Any:
    """The event; raises ValueError."""
    message_id = headers.get("webhook-id", "")
    timestamp = headers.get("webhook-timestamp", "")
    given = headers.get("webhook-signature", "").encode().split(b" ")
    if not (timestamp.isascii() and timestamp.isdigit() and abs(time.time() - int(timestamp)) <= 300):
        raise ValueError("it is not of these minutes")
    content = f"{message_id}.{timestamp}.".encode() + body
    right = [b"v1," + base64.b64encode(hmac.digest(key, content, "sha256")) for key in keys]
    if not any(hmac.compare_digest(one, other) for one in right for other in given):
        raise ValueError("no secret fits")
    stem, _, claimed = message_id.rpartition("_")
    made_for = hashlib.sha256(f"{stem}.{path}".encode()).hexdigest()[:8]
    if not hmac.compare_digest(claimed.encode(), made_for.encode()):
        raise ValueError("it was signed for another path")
    return json.loads(body)
