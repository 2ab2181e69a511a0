"""What has come in: the latest requests with what was found in them, kept in bounded memory."""

import asyncio
from collections import OrderedDict, deque
from dataclasses import dataclass
from itertools import islice

from ringback.kit._wire import Incoming
from ringback.kit.listen._checks import Check, Finding

__all__ = ["Entry", "Journal"]

_MOST_IDS = 10_000
_LONGEST_ID = 256


@dataclass(frozen=True, slots=True)
class Entry:
    """One request. `at` is when it was complete (seconds since 1970); `callback` is empty for a strange one.

    `delivery` tells how often its ``webhook-id`` has come so far: 1 for the first attempt, 0 without an id.
    `behaviour` is how it was answered, `status` with what, None where there was no answer.
    """

    number: int
    at: float
    incoming: Incoming
    callback: str
    checks: tuple[Check, ...]
    message_id: str
    delivery: int
    behaviour: str
    status: int | None

    @property
    def is_right(self) -> bool:
        """Whether nothing was wrong with it."""
        return bool(self.callback) and all(check.finding is not Finding.WRONG for check in self.checks)


class Journal:
    """The latest `keep` entries, and of those no more than `keep_bytes` bytes of requests."""

    def __init__(self, keep: int = 500, keep_bytes: int = 64 * 1024 * 1024) -> None:
        self._keep = keep
        self._keep_bytes = keep_bytes
        self._entries: deque[Entry] = deque()
        self._bytes = 0
        self._seen: OrderedDict[str, int] = OrderedDict()
        self._more = asyncio.Event()
        self.count = 0
        """How many have come in so far, those that were forgotten among them."""

    def attempt_of(self, message_id: str) -> int:
        """Count one more attempt of a delivery, and say how many there were; 0 without a usable id."""
        if not 0 < len(message_id) <= _LONGEST_ID:
            return 0
        self._seen[message_id] = self._seen.pop(message_id, 0) + 1
        if len(self._seen) > _MOST_IDS:
            self._seen.popitem(last=False)
        return self._seen[message_id]

    def add(self, entry: Entry) -> None:
        """Keep an entry, and tell whoever waits."""
        self.count = entry.number
        self._entries.append(entry)
        self._bytes += len(entry.incoming.raw)
        while len(self._entries) > self._keep or (self._bytes > self._keep_bytes and len(self._entries) > 1):
            self._bytes -= len(self._entries.popleft().incoming.raw)
        self._more.set()
        self._more = asyncio.Event()

    def after(self, number: int, limit: int = 1000) -> list[Entry]:
        """The entries behind this number, the oldest first, at most `limit`."""
        if not self._entries:
            return []
        skip = max(0, number + 1 - self._entries[0].number)
        return list(islice(self._entries, skip, skip + limit))

    def find(self, number: int) -> Entry | None:
        """One entry, None where it is not there or was forgotten."""
        found = self.after(number - 1, 1)
        return found[0] if found and found[0].number == number else None

    async def wait(self, number: int, timeout: float) -> bool:
        """Wait until there is one behind this number; False after `timeout` seconds without."""
        if self.count > number:
            return True
        try:
            async with asyncio.timeout(timeout):
                await self._more.wait()
        except TimeoutError:
            return False
        return True
