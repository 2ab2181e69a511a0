"""How often an account may call, and an address may guess: token buckets in the memory of this process."""

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, Self

from fastapi import Request

from invoices.errors import ServiceError
from invoices.settings import Settings

__all__ = ["Buckets", "RateLimits", "TooManyGuesses", "TooManyRequests", "address_of"]

MOST_NAMES: Final = 20_000
"""Buckets that are kept of one kind; of more names, those that came last have one."""


class TooManyRequests(ServiceError):
    """The account, or the address, sends requests faster than the service takes them."""

    status_code = 429
    sends: ClassVar[Mapping[str, Any]] = {
        "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}
    }

    def __init__(self, detail: str, *, wait: float) -> None:
        super().__init__(detail, headers={"Retry-After": str(max(1, math.ceil(wait)))})


class TooManyGuesses(TooManyRequests):
    """Too many wrong keys or signatures came from this address."""


class Buckets:
    """A bucket of tokens for each name: it holds `burst` at most, and fills at `per_second`.

    `per_second` 0 means that there is no limit. Memory is bounded: a name that has not come for longest
    loses its bucket first, which by then is most likely full.
    """

    def __init__(
        self,
        per_second: float,
        burst: int,
        *,
        most_names: int = MOST_NAMES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._per_second = per_second
        self._burst = burst
        self._most_names = most_names
        self._clock = clock
        self._tokens: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._tokens)

    def take(self, name: str) -> float:
        """Take a token; 0.0 where there was one, else the seconds until there is one again."""
        if self._per_second <= 0:
            return 0.0
        now = self._clock()
        tokens, since = self._tokens.pop(name, (float(self._burst), now))
        tokens = min(float(self._burst), tokens + (now - since) * self._per_second)
        taken = tokens >= 1
        self._tokens[name] = (tokens - taken, now)
        if len(self._tokens) > self._most_names:
            self._tokens.popitem(last=False)
        return 0.0 if taken else (1 - tokens) / self._per_second


class RateLimits:
    """The service's limits. Each process counts for itself.

    A right key or link is never refused for the failures of others behind the same address (a proxy, an
    office): those only stop being answered in detail.
    """

    def __init__(self, accounts: Buckets, guesses: Buckets) -> None:
        self._accounts = accounts
        self._guesses = guesses

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The limits that the operator has set."""
        return cls(
            Buckets(settings.rate_limit, settings.rate_limit_burst),
            Buckets(settings.guess_limit, settings.guess_limit_burst),
        )

    def count_request(self, account_id: str) -> None:
        """Count a request of an account; raises `TooManyRequests`."""
        if wait := self._accounts.take(account_id):
            raise TooManyRequests(
                "this account sends requests faster than the service takes them; "
                "wait as long as Retry-After says, then go on more slowly",
                wait=wait,
            )

    def guess_wait(self, request: Request) -> float:
        """Count a wrong secret; 0.0, or the seconds after which this address may guess again."""
        return self._guesses.take(address_of(request))

    def count_guess(self, request: Request, what: str = "API keys") -> None:
        """Count a wrong key or signature; raises `TooManyGuesses`."""
        if wait := self.guess_wait(request):
            raise TooManyGuesses(
                f"too many wrong {what} came from this address; wait as long as Retry-After says", wait=wait
            )


def address_of(request: Request) -> str:
    """What counts as one address: for IPv6 the network of 64 bits, which one customer has to himself."""
    host = request.client.host if request.client else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.version == 4:
        return host
    return str(ipaddress.ip_network((int(address), 64), strict=False))
