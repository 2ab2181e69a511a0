"""A clock that is moved by hand."""

import time

__all__ = ["Clock"]


class Clock:
    """A clock that stands until it is moved: for ``Ringback(now=clock)``. It begins at the present time.

    Signatures carry its time. A receiver that checks timestamps refuses what was signed by a clock that has
    gone far ahead, so give it this one too: ``ringback.receiver.Receiver(secret, clock=clock)``.
    """

    def __init__(self, now: float | None = None) -> None:
        self.now = time.time() if now is None else now

    def __call__(self) -> float:
        """Seconds since 1970 (UTC)."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Move on; the worker sees it at its next look, or at once with `drain`."""
        self.now += seconds
