"""Public keys as a JSON Web Key Set (RFC 7517, RFC 8037), for receivers that verify ``v1a`` signatures."""

import binascii
from collections.abc import Iterable

__all__ = ["jwks"]


def jwks(keys: Iterable[tuple[str, str]]) -> dict[str, list[dict[str, str]]]:
    """The set of `keys`, each a key id and a ``whpk_`` key."""
    return {"keys": [_jwk(key_id, public_key) for key_id, public_key in keys]}


def _jwk(key_id: str, public_key: str) -> dict[str, str]:
    raw = binascii.a2b_base64(public_key.removeprefix("whpk_"))
    return {
        "kty": "OKP",
        "crv": "Ed25519",
        "use": "sig",
        "alg": "EdDSA",
        "kid": key_id,
        "x": binascii.b2a_base64(raw, newline=False).decode().translate(_URL_SAFE).rstrip("="),
    }


_URL_SAFE = str.maketrans("+/", "-_")
