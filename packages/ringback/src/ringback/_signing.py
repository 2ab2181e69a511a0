"""Standard Webhooks: make secrets and message ids, sign what is sent, verify what arrives.

The scheme is that of the Standard Webhooks specification 1.0.0: the signed content is the message id, the
attempt's timestamp and the exact body, joined by full stops. ``v1`` is HMAC-SHA256 with a shared secret
(``whsec_``), ``v1a`` is Ed25519 with a key pair (``whsk_`` signs, ``whpk_`` verifies).
"""

import binascii
import hashlib
import hmac
import os
import re
import secrets as random_source
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Final, Protocol

from ringback._errors import RingbackError

__all__ = [
    "V1",
    "V1A",
    "InvalidSecret",
    "InvalidSignature",
    "check_secrets",
    "fingerprint",
    "id_names_path",
    "is_test_id",
    "new_key_pair",
    "new_message_id",
    "new_secret",
    "path_hash",
    "public_key",
    "sign",
    "verify",
]

V1: Final = "v1"
V1A: Final = "v1a"
"""The two kinds of signatures, by the names that they have in the header."""

TOLERANCE = 300.0
"""Seconds that an attempt's timestamp may differ from the receiver's clock, either way."""

_MESSAGE_ID = re.compile(r"[A-Za-z0-9_-]{1,256}", re.ASCII)
_TIMESTAMP = re.compile(r"[0-9]{1,12}", re.ASCII)
_PATH_HASH_DIGITS = 8
_TEST = "msg_test_"
_MAX_SIGNATURES = 16
_MAX_HEADER = 4096


class InvalidSecret(RingbackError):
    """A signing secret cannot be read. The message never shows the secret itself."""


class InvalidSignature(RingbackError):
    """A request does not prove that the provider sent it, to this path and just now.

    The one error of verification, whatever was wrong; `reason` is for the log, not for the sender.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"The request's signature was not accepted: {reason}")


# --- message ids -------------------------------------------------------------------------------------------


def new_message_id(path: str, *, is_test: bool = False) -> str:
    """Return a fresh ``webhook-id`` for a delivery to `path`: unguessable, and later ids sort later.

    The id of a test begins with ``msg_test_``. It is signed, so nobody can give a test out for the truth.

    It ends in a hash of the path. The signature covers the id but not the URL, so this is what keeps one
    delivery from being accepted at another path that shares the secret.
    """
    stem = f"{_TEST if is_test else 'msg_'}{time.time_ns() // 1_000_000:012x}{os.urandom(10).hex()}"
    return f"{stem}_{path_hash(stem, path)}"


def is_test_id(message_id: str) -> bool:
    """Return whether a message is a test, sent from a documentation page."""
    return message_id.startswith(_TEST)


def path_hash(stem: str, path: str) -> str:
    """Return the last eight characters of a message id: SHA-256 of ``stem + "." + path``, in hex, cut.

    `path` is the URL's path as it travels, percent-encoding kept, without the query. The stem is hashed too,
    so that nobody can look for a colliding path before the id exists.
    """
    return hashlib.sha256(f"{stem}.{path}".encode()).hexdigest()[:_PATH_HASH_DIGITS]


def id_names_path(message_id: str, path: str) -> bool:
    """Return whether `message_id` was made for `path`."""
    stem, _, claimed = message_id.rpartition("_")
    return hmac.compare_digest(claimed.encode(), path_hash(stem, path).encode())


# --- secrets -----------------------------------------------------------------------------------------------


def new_secret() -> str:
    """Return a fresh shared secret (32 random bytes) for ``v1`` signatures."""
    return "whsec_" + _base64(random_source.token_bytes(32))


def new_key_pair() -> tuple[str, str]:
    """Return a fresh Ed25519 pair for ``v1a`` signatures: the secret key and the public key."""
    secret_key = "whsk_" + _base64(random_source.token_bytes(32))
    return secret_key, public_key(secret_key)


def public_key(secret_key: str) -> str:
    """Return the ``whpk_`` key that verifies what `secret_key` (``whsk_``) signs."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.from_private_bytes(_seed(secret_key))
    return "whpk_" + _base64(private.public_key().public_bytes_raw())


def fingerprint(key: str) -> str:
    """What two people can compare without showing a secret: the start of its SHA-256, in hex."""
    return hashlib.sha256(key.encode()).hexdigest()[:12]


class _Key(Protocol):
    def sign(self, content: bytes) -> str:
        """Return one signature of the header: version, comma, base64."""

    def accepts(self, signature: str, content: bytes) -> bool:
        """Return whether `signature` (ASCII) is this key's signature of `content`."""


class _SharedKey:
    def __init__(self, secret: str) -> None:
        key = _decode(secret, lengths=range(24, 65))
        self._mac = hmac.new(key, digestmod="sha256")  # copied for each use: the key is hashed in only once

    def sign(self, content: bytes) -> str:
        mac = self._mac.copy()
        mac.update(content)
        return "v1," + _base64(mac.digest())

    def accepts(self, signature: str, content: bytes) -> bool:
        # The texts are compared, not the decoded bytes: base64 has several texts for the same bytes.
        return hmac.compare_digest(self.sign(content).encode(), signature.encode())


class _SecretKey:
    def __init__(self, secret: str) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        self._private = Ed25519PrivateKey.from_private_bytes(_seed(secret))
        self.accepts = _PublicKey(public_key(secret)).accepts

    def sign(self, content: bytes) -> str:
        return "v1a," + _base64(self._private.sign(content))


class _PublicKey:
    def __init__(self, key: str) -> None:
        from cryptography.exceptions import InvalidSignature as RefusedByKey
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        self._public = Ed25519PublicKey.from_public_bytes(_decode(key, lengths=(32,)))
        self._refused = RefusedByKey

    def sign(self, content: bytes) -> str:  # noqa: ARG002 - the same shape as the keys that can sign
        raise InvalidSecret("A whpk_ key only verifies; sign with its whsk_ key.")

    def accepts(self, signature: str, content: bytes) -> bool:
        version, _, text = signature.partition(",")
        try:
            raw = binascii.a2b_base64(text, strict_mode=True)
            if version != "v1a" or _base64(raw) != text:
                return False
            self._public.verify(raw, content)
        except (self._refused, binascii.Error):
            return False
        return True


_KINDS: Mapping[str, Callable[[str], _Key]] = {
    "whsec": _SharedKey,
    "whsk": _SecretKey,
    "whpk": _PublicKey,
}


def check_secrets(secrets: Sequence[str]) -> None:
    """Raise `InvalidSecret` if one of `secrets` cannot be read, or if there is none."""
    _prepared(tuple(secrets))


@lru_cache(maxsize=4096)
def _prepared(secrets: tuple[str, ...]) -> tuple[_Key, ...]:
    if not secrets:
        raise InvalidSecret("No signing secret was given; make one with new_secret().")
    return tuple(_read(secret) for secret in secrets)


def _read(secret: str) -> _Key:
    kind, found, _ = secret.partition("_")
    if not found or kind not in _KINDS:
        raise InvalidSecret("A signing secret begins with whsec_, whsk_ or whpk_; this one does not.")
    return _KINDS[kind](secret)


def _seed(secret_key: str) -> bytes:
    # 64 bytes are the seed followed by the public key, as some other providers write it.
    return _decode(secret_key, lengths=(32, 64))[:32]


def _decode(secret: str, *, lengths: Sequence[int]) -> bytes:
    kind, _, text = secret.partition("_")
    try:
        raw = binascii.a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True)
    except (binascii.Error, ValueError):
        raise InvalidSecret(f"The text after {kind}_ is not base64; copy the whole secret.") from None
    if len(raw) not in lengths:
        raise InvalidSecret(
            f"A {kind}_ secret has {lengths[0]} to {lengths[-1]} bytes; this one has {len(raw)}."
        )
    return raw


def _base64(raw: bytes) -> str:
    return binascii.b2a_base64(raw, newline=False).decode()


# --- signatures --------------------------------------------------------------------------------------------


def sign(secrets: Sequence[str], message_id: str, timestamp: int, body: bytes) -> str:
    """Return the value of ``webhook-signature``: one signature for each of `secrets`, in their order.

    While a secret is being rotated, give the new and the old one. `timestamp` is in whole seconds since the
    epoch. Raises `InvalidSecret`.
    """
    content = f"{message_id}.{timestamp}.".encode() + body
    return " ".join([key.sign(content) for key in _prepared(tuple(secrets))])


def verify(
    secrets: Sequence[str],
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: float,
    tolerance: float = TOLERANCE,
    path: str | None = None,
) -> str:
    """Return the message id of a request that one of `secrets` signed; raise `InvalidSignature` otherwise.

    `headers` has lower-case names. `body` is the body as it arrived, before anything has read it. `now` is
    in seconds since the epoch. With `path`, the id must also have been made for that path.
    """
    message_id = _header(headers, "webhook-id")
    timestamp = _header(headers, "webhook-timestamp")
    signatures = _header(headers, "webhook-signature").split(" ")
    if not _MESSAGE_ID.fullmatch(message_id):
        raise InvalidSignature("webhook-id has characters other than letters, digits, '_' and '-'")
    if not _TIMESTAMP.fullmatch(timestamp):
        raise InvalidSignature("webhook-timestamp is not a whole number of seconds")
    if abs(now - int(timestamp)) > tolerance:
        raise InvalidSignature(f"webhook-timestamp is more than {tolerance:g} s away from this clock")
    if len(signatures) > _MAX_SIGNATURES:
        raise InvalidSignature(f"webhook-signature holds more than {_MAX_SIGNATURES} signatures")
    content = f"{message_id}.{timestamp}.".encode() + body
    if not any(key.accepts(one, content) for key in _prepared(tuple(secrets)) for one in signatures):
        raise InvalidSignature("no signature in webhook-signature was made with a known secret")
    if path is not None and not id_names_path(message_id, path):
        raise InvalidSignature(f"webhook-id was made for another path than {path}")
    return message_id


def _header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name, "")
    if not value:
        raise InvalidSignature(f"the header {name} is missing")
    if len(value) > _MAX_HEADER or not value.isascii():
        raise InvalidSignature(f"the header {name} is not plain text of at most {_MAX_HEADER} characters")
    return value
