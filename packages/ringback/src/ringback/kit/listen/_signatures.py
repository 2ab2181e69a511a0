"""Whether a request proves that the provider sent it: by shared secrets, and by published keys."""

import binascii
import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from ringback._errors import RingbackError
from ringback._signing import InvalidSignature, check_secrets, sign, verify
from ringback.kit._wire import Incoming
from ringback.kit.listen._checks import Check, Finding

__all__ = ["Verifier", "keys_of_jwks"]

_OWN: Final = ("webhook-id", "webhook-timestamp", "webhook-signature")


class Verifier:
    """Verifies by `secrets` (``whsec_…``, ``whpk_…``); without any it says that it cannot.

    `clock` gives seconds since 1970. Raises `InvalidSecret`.
    """

    def __init__(self, secrets: Sequence[str], *, clock: Callable[[], float] = time.time) -> None:
        if secrets:
            check_secrets(secrets)
        # A scheme's name in the header, and what verifies it.
        self._kinds: Mapping[str, tuple[str, ...]] = {
            kind: found
            for kind, starts in (("v1", ("whsec_",)), ("v1a", ("whpk_", "whsk_")))
            if (found := tuple(secret for secret in secrets if secret.startswith(starts)))
        }
        self._clock = clock

    @property
    def kinds(self) -> list[str]:
        """The kinds of signatures that are verified; empty without a secret."""
        return list(self._kinds)

    def check(self, incoming: Incoming, *, with_path: bool) -> Check:
        """The verdict on a signature; `with_path` where the message's id names the path that was called."""
        if not self._kinds:
            return Check("signature", Finding.UNCHECKED, _without_secret(incoming))
        for name in _OWN:
            if sum(name == other for other, _ in incoming.headers) > 1:
                return Check("signature", Finding.WRONG, f"the header {name} is there more than once")
        path = incoming.target.partition("?")[0] if with_path else None
        headers, good, refusals = dict(incoming.headers), [], []
        for kind, secrets in self._kinds.items():
            try:
                verify(secrets, headers, incoming.body, now=self._clock(), path=path)
                good.append(kind)
            except InvalidSignature as error:
                refusals.append(error.reason)
        if not good:
            return Check("signature", Finding.WRONG, "; ".join(dict.fromkeys(refusals)))
        missing = "".join(f", not {kind}" for kind in self._kinds if kind not in good)
        return Check("signature", Finding.RIGHT, f"{' and '.join(good)} verified{missing}")

    def renewed(self, incoming: Incoming) -> list[tuple[str, str]] | None:
        """The header fields as if it were signed now; None where no shared secret is known."""
        secrets = self._kinds.get("v1")
        if secrets is None:
            return None
        now = int(self._clock())
        signature = sign(secrets[:1], dict(incoming.headers).get("webhook-id", ""), now, incoming.body)
        fresh = {"webhook-timestamp": str(now), "webhook-signature": signature}
        return [(name, fresh.get(name, value)) for name, value in incoming.headers]


def keys_of_jwks(text: bytes, *, source: str) -> list[str]:
    """The Ed25519 keys of a key set (RFC 7517, RFC 8037) as ``whpk_`` keys; raises `RingbackError`."""
    try:
        found = [
            _public_key(str(key["x"]))
            for key in json.loads(text)["keys"]
            if (key.get("kty"), key.get("crv")) == ("OKP", "Ed25519")
        ]
        check_secrets(found)
    except (ValueError, LookupError, TypeError, AttributeError, RingbackError):
        raise RingbackError(
            f"{source} holds no Ed25519 key of a JSON Web Key Set. Providers publish one as "
            "/.well-known/jwks.json once an account has asked for `v1a` signatures."
        ) from None
    return found


def _public_key(coded: str) -> str:
    raw = binascii.a2b_base64(coded.translate(str.maketrans("-_", "+/")) + "=" * (-len(coded) % 4))
    return "whpk_" + binascii.b2a_base64(raw, newline=False).decode()


def _without_secret(incoming: Incoming) -> str:
    if any(name == "webhook-signature" for name, _ in incoming.headers):
        return "not checked: give the secret with --secret, or public keys with --jwks"
    return "there is none, and no --secret was given"
