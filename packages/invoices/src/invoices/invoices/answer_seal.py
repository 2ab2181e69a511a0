"""Encrypts stored answers: they hold the link to an invoice's page, and whoever has that may open it."""

import hmac
import json
import os
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["AnswerSeal"]

_NONCE_BYTES: Final = 12


class AnswerSeal:
    """AES-256-GCM under a key derived from the server key; account and idempotency key are bound into it.

    The first server key encrypts, all of them decrypt.
    """

    def __init__(self, server_keys: Sequence[bytes]) -> None:
        self._server_keys = server_keys

    def seal(self, answer: str, account_id: str, key: str) -> bytes:
        """What is stored of an answer."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + _cipher(self._server_keys[0]).encrypt(nonce, answer.encode(), _bound(account_id, key))

    def open(self, stored: bytes, account_id: str, key: str) -> str | None:
        """The answer, or None where its server key is gone, or it was stored for another request."""
        nonce, content = stored[:_NONCE_BYTES], stored[_NONCE_BYTES:]
        for server_key in self._server_keys:
            try:
                return _cipher(server_key).decrypt(nonce, content, _bound(account_id, key)).decode()
            except InvalidTag:
                continue
        return None


def _cipher(server_key: bytes) -> AESGCM:
    return AESGCM(hmac.digest(server_key, b"stored answers", "sha256"))


def _bound(account_id: str, key: str) -> bytes:
    return json.dumps([account_id, key]).encode()
