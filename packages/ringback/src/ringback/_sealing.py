"""Encrypts signing secrets for the database, under master keys that the database never sees.

AES-256-GCM with a random nonce; owner and kind of a secret are bound into it, so a row that is copied to
another owner does not open there. What encrypts is derived from the master key, and so is its id: the id in a
row tells which key opens it, and nothing about the key.
"""

import binascii
import hmac
import os
from collections.abc import Iterable
from dataclasses import dataclass

from ringback._errors import RingbackError

__all__ = ["InvalidMasterKey", "MasterKeys", "Sealed", "UnreadableSecret", "new_master_key"]

_KEY_BYTES = 32
_NONCE_BYTES = 12
_HOW_TO = "`ringback keys new-master` makes one"


class InvalidMasterKey(RingbackError):
    """A master key cannot be read. The message never shows the key itself."""


class UnreadableSecret(RingbackError):
    """A secret in the database does not open with the master keys that are at hand."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """An encrypted secret: the id of the master key, and nonce and ciphertext."""

    master: str
    content: bytes


def new_master_key() -> str:
    """Return a fresh master key: 32 random bytes in base64."""
    return binascii.b2a_base64(os.urandom(_KEY_BYTES), newline=False).decode()


class MasterKeys:
    """The first of some keys encrypts, all of them decrypt: so a new one can take over from an old one.

    Each key is 32 bytes in base64; a text may hold several, with commas or blanks between them. Raises
    `InvalidMasterKey`.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        words = [word for text in texts for word in text.replace(",", " ").split()]
        if not words:
            raise InvalidMasterKey(f"There is no master key in an empty text; {_HOW_TO}.")
        made = [_Key(_decode(word)) for word in words]
        self.current = made[0].id
        self._keys = {key.id: key for key in made}

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all keys, that of the first one first."""
        return tuple(self._keys)

    def seal(self, secret: str, *, owner: str, kind: str) -> Sealed:
        """Encrypt `secret` with the first key; it opens only for the same `owner` and `kind`."""
        return Sealed(self.current, self._keys[self.current].seal(secret.encode(), _bound_to(owner, kind)))

    def open(self, sealed: Sealed, *, owner: str, kind: str) -> str:
        """Decrypt; raises `UnreadableSecret` where the key is missing or the row was tampered with."""
        key = self._keys.get(sealed.master)
        if key is None:
            raise UnreadableSecret(
                f"The {kind} key of owner {owner!r} was encrypted with the master key {sealed.master}, and "
                f"at hand is {', '.join(self.ids)}. Give that one too, behind the new one "
                "(RINGBACK_KEY=new,old)."
            )
        secret = key.open(sealed.content, _bound_to(owner, kind))
        if secret is None:
            raise UnreadableSecret(
                f"The {kind} key of owner {owner!r} was altered in the database, or copied from another row. "
                f"Make a new one: ringback keys rotate {owner}".rstrip()
            )
        return secret.decode()


class _Key:
    """One master key, and what is derived from it."""

    def __init__(self, key: bytes) -> None:
        self.id = _derive(key, b"id").hex()[:8]
        self._sealing = _derive(key, b"signing secrets")

    def seal(self, plain: bytes, bound_to: bytes) -> bytes:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = os.urandom(_NONCE_BYTES)
        return nonce + AESGCM(self._sealing).encrypt(nonce, plain, bound_to)

    def open(self, content: bytes, bound_to: bytes) -> bytes | None:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        try:
            return AESGCM(self._sealing).decrypt(content[:_NONCE_BYTES], content[_NONCE_BYTES:], bound_to)
        except (InvalidTag, ValueError):  # ValueError: too short to hold a nonce and a tag
            return None


def _derive(key: bytes, purpose: bytes) -> bytes:
    # One step of HKDF-Expand (RFC 5869, 2.3): the key is uniform already, so there is nothing to extract.
    return hmac.digest(key, b"ringback " + purpose + b"\x01", "sha256")


def _bound_to(owner: str, kind: str) -> bytes:
    return f"{kind}\x00{owner}".encode()


def _decode(text: str) -> bytes:
    # Both alphabets of base64 are taken: people make keys with more than one program.
    standard = text.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        key = binascii.a2b_base64(standard + "=" * (-len(standard) % 4), strict_mode=True)
    except (binascii.Error, ValueError):
        raise InvalidMasterKey(
            f"A master key is {_KEY_BYTES} bytes in base64, and this text is no base64; {_HOW_TO}."
        ) from None
    if len(key) != _KEY_BYTES:
        raise InvalidMasterKey(
            f"A master key has {_KEY_BYTES} bytes, and this one has {len(key)}; {_HOW_TO}."
        )
    return key
