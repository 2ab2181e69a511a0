"""Wake-up between processes on PostgreSQL: NOTIFY after a commit, LISTEN in the worker. Only a hint."""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

logger = logging.getLogger("ringback.worker")

_CHANNEL: Final = "ringback"
_GATHER: Final = 0.01
_LONGEST_WAIT: Final = 30.0


class Notifier:
    """Tells workers in other processes, in small transactions of its own, at most every 10 ms.

    A NOTIFY inside the caller's transaction would take a lock over the whole database at its commit.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._event = asyncio.Event()

    def notify(self) -> None:
        """Something was committed; to be called on the loop that `run` runs on."""
        self._event.set()

    async def run(self) -> None:
        """Notify until cancelled. A hint that cannot be given is left out: workers poll."""
        while True:
            await self._event.wait()
            self._event.clear()
            try:
                async with self._engine.connect() as connection:
                    await connection.execute(text(f"NOTIFY {_CHANNEL}"))
            except Exception as error:  # drivers raise errors of their own, too
                logger.debug("the workers could not be notified, they will poll: %s", error)
            await asyncio.sleep(_GATHER)


def _set(event: asyncio.Event, _connection: object) -> None:
    event.set()


async def listen(engine: AsyncEngine, wake: Callable[[], None]) -> None:
    """Call `wake` at every NOTIFY until cancelled, with a connection that is made anew when it is lost."""
    wait = 0.5
    while True:
        try:
            async with engine.connect() as connection:
                lost = asyncio.Event()
                raw: Any = (await connection.get_raw_connection()).driver_connection
                raw.add_termination_listener(partial(_set, lost))
                await raw.add_listener(_CHANNEL, lambda *_: wake())
                wait = 0.5
                wake()
                await lost.wait()
                await connection.invalidate()
        except Exception as error:  # drivers raise errors of their own, too
            logger.debug("cannot listen for new deliveries, polling alone: %s", error)
        await asyncio.sleep(wait)
        wait = min(wait * 2, _LONGEST_WAIT)
