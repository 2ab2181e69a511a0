"""How long an address waits after wrong secrets: longer each time, so that guessing leads nowhere."""

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

__all__ = ["Delays"]

_FREE: Final = 3
_LONGEST: Final = 900.0
_FORGOTTEN_AFTER: Final = 3600.0
_REMEMBERED: Final = 10_000


@dataclass(slots=True)
class _Record:
    failures: int = 0
    wait_until: float = 0.0


class Delays:
    """Counts failures by address (an IPv6 network of 64 bits is one); kept in this process.

    Two failures are free, the third costs a second, and each one more the double, up to 15 minutes.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def wait(self, address: str) -> float:
        """Seconds until this address may try again."""
        record = self._records.get(_neighbourhood(address))
        return 0.0 if record is None else max(0.0, record.wait_until - self._now())

    def failed(self, address: str) -> None:
        """Count one failure."""
        name, now = _neighbourhood(address), self._now()
        record = self._records.pop(name, _Record())
        if now - record.wait_until > _FORGOTTEN_AFTER:
            record.failures = 0
        record.failures += 1
        excess = record.failures - _FREE
        record.wait_until = now + (min(2.0 ** min(excess, 20), _LONGEST) if excess >= 0 else 0.0)
        self._records[name] = record
        if len(self._records) > _REMEMBERED:
            self._records.popitem(last=False)

    def succeeded(self, address: str) -> None:
        """Forget what was before."""
        self._records.pop(_neighbourhood(address), None)


def _neighbourhood(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network(f"{address}/64", strict=False)) if parsed.version == 6 else str(parsed)
