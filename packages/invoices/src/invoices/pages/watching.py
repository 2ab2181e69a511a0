"""News for open pages: one poller for all who watch in this process, while somebody does.

It asks the database and not this process, so the news may come from any process.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from typing import Final, Self

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from invoices.database import reading
from invoices.invoices.service import standings

__all__ = ["Watchers"]

_log = logging.getLogger(__name__)

_GONE: Final = "gone"

Look = Callable[[Collection[int]], Awaitable[Mapping[int, str]]]
"""Where each of these invoices stands, by its `pk`."""


class Watchers:
    """Tells open pages that their invoice stands elsewhere than they show, never where: they ask again.

    At most `most` pages watch at a time, `most_of_one` of them one invoice, so that no link takes all
    places. `every` seconds lie between two looks; a stream lasts `lasts` seconds, and says every `breath`
    seconds that it is still there. Browsers come again when it has ended.
    """

    def __init__(
        self,
        look: Look,
        *,
        most: int = 500,
        most_of_one: int = 20,
        every: float = 1.0,
        lasts: float = 120.0,
        breath: float = 15.0,
    ) -> None:
        self._look = look
        self._most = most
        self._most_of_one = most_of_one
        self._every = every
        self._lasts = lasts
        self._breath = breath
        self._watched: Counter[int] = Counter()
        self._standing: Mapping[int, str] = {}
        self._news = asyncio.Condition()
        self._poller: asyncio.Task[None] | None = None
        self._is_closed = False

    @classmethod
    def on(cls, sessions: async_sessionmaker[AsyncSession]) -> Self:
        """Those who watch the invoices of a database."""

        async def look(pks: Collection[int]) -> Mapping[int, str]:
            async with reading(sessions) as session:
                return await standings(session, pks)

        return cls(look)

    def __len__(self) -> int:
        return self._watched.total()

    def has_place(self, pk: int) -> bool:
        """Whether one more page can watch this invoice."""
        return len(self) < self._most and self._watched[pk] < self._most_of_one

    async def close(self) -> None:
        """End all streams: a server that stops would wait for them. Browsers come to the next one."""
        self._is_closed = True
        async with self._news:
            self._news.notify_all()

    async def events(self, pk: int, seen: str) -> AsyncIterator[bytes]:
        """An event stream that ends with ``changed`` once the invoice stands elsewhere than `seen`."""
        self._watched[pk] += 1
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll(), name="news for open pages")
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + self._lasts
        try:
            yield b"retry: 3000\n\n"
            while not self._is_closed and (rest := ends_at - loop.time()) > 0:
                if await self._changes(pk, seen, min(rest, self._breath)):
                    yield b"event: changed\ndata:\n\n"
                    return
                if not self._is_closed:
                    yield b": nothing new\n\n"
        finally:
            self._watched[pk] -= 1
            if self._watched[pk] <= 0:
                del self._watched[pk]

    async def _changes(self, pk: int, seen: str, timeout: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout), self._news:
                await self._news.wait_for(lambda: self._is_closed or self._differs(pk, seen))
        return self._differs(pk, seen)

    def _differs(self, pk: int, seen: str) -> bool:
        return self._standing.get(pk) not in (None, seen)

    async def _poll(self) -> None:
        while self._watched:
            pks = list(self._watched)
            try:
                found = await self._look(pks)
            except (SQLAlchemyError, OSError) as error:
                _log.warning("open pages get no news now: %s", type(error).__name__)
            else:
                async with self._news:
                    self._standing = {pk: found.get(pk, _GONE) for pk in pks}
                    self._news.notify_all()
            await asyncio.sleep(self._every)
        self._standing = {}
