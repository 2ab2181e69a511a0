"""Remembers which messages were acted on, so that a delivery that comes twice has its effect once."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

__all__ = ["Inbox", "MemoryInbox"]


class Inbox(Protocol):
    """What `MemoryInbox` and ``SqlInbox.within(session)`` have in common."""

    def once(self, message_id: str) -> AbstractAsyncContextManager[bool]:
        """Open a block round the effect of a message, giving whether the effect is still owed.

        A block that raises has not happened: the next delivery of the message owes the effect again.
        """


class MemoryInbox:
    """Remembers the latest `capacity` messages of this process. A restart forgets them.

    A provider may deliver the same message days apart, from the first attempt to the last, so this suits
    trials and effects that may happen twice. A receiver with a database has `SqlInbox`.
    """

    def __init__(self, capacity: int = 100_000) -> None:
        self._capacity = capacity
        self._done: OrderedDict[str, None] = OrderedDict()
        self._running: dict[str, asyncio.Event] = {}

    @asynccontextmanager
    async def once(self, message_id: str) -> AsyncIterator[bool]:
        """As in `Inbox`. A twin that arrives meanwhile waits to see whether the effect happened."""
        while (twin := self._running.get(message_id)) is not None:
            await twin.wait()
        if message_id in self._done:
            yield False
            return
        finished = self._running[message_id] = asyncio.Event()
        try:
            yield True
            self._done[message_id] = None
            if len(self._done) > self._capacity:
                self._done.popitem(last=False)
        finally:
            del self._running[message_id]
            finished.set()
