"""When each API key was last used: written behind the requests, at most once a minute for each key."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from invoices.accounts import repository

__all__ = ["KeyUses"]

INTERVAL: Final = 60.0

logger = logging.getLogger(__name__)


class KeyUses:
    """Notes uses in memory, and a task of its own writes them.

    Only keys that exist are noted, and none for longer than `interval` seconds, which bounds the memory.
    """

    def __init__(
        self,
        sessions: async_sessionmaker[AsyncSession],
        *,
        interval: float = INTERVAL,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sessions = sessions
        self._interval = interval
        self._clock = clock
        self._noted: dict[str, float] = {}
        self._unwritten: dict[str, datetime] = {}
        self._wake = asyncio.Event()

    def note(self, prefix: str) -> None:
        """The key with this prefix was used now. Never waits."""
        now = self._clock()
        if now - self._noted.get(prefix, -self._interval) < self._interval:
            return
        self._noted[prefix] = now
        self._unwritten[prefix] = datetime.now(UTC)
        self._wake.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Write meanwhile, and the rest at the end."""
        task = asyncio.create_task(self._keep_writing(), name="last use of API keys")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await self.write()

    async def write(self) -> None:
        """Write what is noted. A failure is logged only: the key's next use is written again."""
        unwritten, self._unwritten = self._unwritten, {}
        if not unwritten:
            return
        oldest = self._clock() - self._interval
        self._noted = {prefix: at for prefix, at in self._noted.items() if at > oldest}
        try:
            async with self._sessions.begin() as session:
                await repository.note_uses(session, unwritten)
        except SQLAlchemyError as error:
            logger.warning("the last use of %d API keys could not be stored: %s", len(unwritten), error)

    async def _keep_writing(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self.write()
