"""Who is at the console: a signed cookie, and the token that every form of it carries."""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from itsdangerous import BadSignature, URLSafeSerializer

__all__ = ["LASTS", "Session", "Sessions"]

LASTS: Final = 12 * 3600.0
"""Seconds until an operator must sign in again."""


@dataclass(frozen=True, slots=True)
class Session:
    """One browser, until `ends_at` (seconds since 1970). `operator` is None before somebody has signed in."""

    id: str
    ends_at: float
    operator: str | None = None


class Sessions:
    """Makes and reads the cookies. They are kept nowhere, so every process with the same key reads them.

    What is kept, in this process, are the sessions that were ended before their time.
    """

    def __init__(self, key: bytes, now: Callable[[], float]) -> None:
        self._serializer = URLSafeSerializer(
            key,
            salt="ringback.console.session",
            signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
        )
        self._token_key = hashlib.sha256(b"ringback.console.token\0" + key).digest()
        self._now = now
        self._ended: dict[str, float] = {}

    def begin(self, operator: str | None = None) -> Session:
        """A new session; signing in never keeps the one before, which somebody else may know."""
        return Session(secrets.token_urlsafe(16), self._now() + LASTS, operator)

    def seal(self, session: Session) -> str:
        """The session as a cookie's value."""
        return str(self._serializer.dumps([session.id, session.ends_at, session.operator]))

    def read(self, cookie: str | None) -> Session | None:
        """The session of a cookie; None where it is not ours, over or ended."""
        try:
            session = Session(*self._serializer.loads(cookie or ""))
        except BadSignature:
            return None
        return None if session.ends_at <= self._now() or session.id in self._ended else session

    def end(self, session: Session) -> None:
        """Refuse this session from now on, whoever has kept its cookie."""
        now = self._now()
        self._ended = {id_: ends_at for id_, ends_at in self._ended.items() if ends_at > now}
        self._ended[session.id] = session.ends_at

    def token(self, session: Session) -> str:
        """What the forms of this session carry: another site can neither read nor guess it."""
        return hmac.new(self._token_key, session.id.encode(), hashlib.sha256).hexdigest()

    def is_token(self, session: Session | None, token: str) -> bool:
        """Whether a form carries the token of its session."""
        return session is not None and hmac.compare_digest(self.token(session).encode(), token.encode())
