"""API keys: how they look, how they are made, and what is stored of them."""

import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import Final

__all__ = ["NewKey", "digest", "new_key", "prefix_of"]

_KEY: Final = re.compile(r"(inv_[0-9a-z]{8})_[0-9A-Za-z_-]{43}", re.ASCII)
_LETTERS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key, to be shown once: `text` is what the API user sends, the others are what is stored."""

    text: str
    prefix: str
    digest: str


def new_key() -> NewKey:
    """A key of 32 random bytes. It needs no slow hash: nobody can guess it, however fast they try."""
    prefix = "inv_" + "".join(secrets.choice(_LETTERS) for _ in range(8))
    text = f"{prefix}_{secrets.token_urlsafe(32)}"
    return NewKey(text, prefix, digest(text))


def digest(key: str) -> str:
    """What is stored of a key, and compared."""
    return hashlib.sha256(key.encode()).hexdigest()


def prefix_of(key: str) -> str | None:
    """The readable beginning by which a key is found, or None where it is no key of ours."""
    match = _KEY.fullmatch(key)
    return match[1] if match else None
