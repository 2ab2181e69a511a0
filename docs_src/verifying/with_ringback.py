import os
from collections.abc import Mapping
from typing import Any

from ringback.receiver import Receiver

receiver = Receiver(*os.environ["WEBHOOK_SECRET"].split())  # several while one is rotated


def verify(body: bytes, headers: Mapping[str, str], path: str) -> Any:
    """The event; raises InvalidSignature."""
    return receiver.verify(headers, body, path).json()
