"""News for open pages: one poller for all who watch, which asks the database only while somebody does."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from ringback._store import overview

if TYPE_CHECKING:
    from ringback.console._console import Console
    from ringback.console._desk import Desk

__all__ = ["EVERYTHING", "Live", "routes"]

EVERYTHING: Final = ""
"""The topic of whatever happens; any other topic is the id of a delivery."""

WATCHERS: Final = 64
_EVERY: Final = 1.0
_REFRESH: Final = 15.0
_LASTS: Final = 120.0
_LONGEST_ID: Final = 64

logger = logging.getLogger("ringback.console")


class Live:
    """Tells watchers that something has changed, never what: they ask for their page again.

    `every` is how many seconds lie between two looks at the database.
    """

    def __init__(self, desk: "Desk", *, every: float = _EVERY) -> None:
        self._desk = desk
        self._every = every
        self._topics: Counter[str] = Counter()
        self._seen: dict[str, object] = {}
        self._news = asyncio.Condition()
        self._poller: asyncio.Task[None] | None = None

    @property
    def is_full(self) -> bool:
        """Whether nobody else can watch."""
        return self._topics.total() >= WATCHERS

    async def changes(self, topic: str, *, lasts: float = _LASTS) -> AsyncGenerator[None]:
        """One item for each change, for `lasts` seconds; and one now and then without any."""
        self._topics[topic] += 1
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll(), name="ringback console news")
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + lasts
        seen = self._seen.get(topic)
        try:
            while (rest := ends_at - loop.time()) > 0:
                is_first, before = seen is None, seen
                await self._differs(topic, before, min(rest, _REFRESH))
                seen = self._seen.get(topic)
                if not is_first and (seen != before or rest > _REFRESH):
                    yield
        finally:
            self._topics[topic] -= 1
            if self._topics[topic] <= 0:
                del self._topics[topic]
                self._seen.pop(topic, None)

    async def _differs(self, topic: str, seen: object, timeout: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout), self._news:
                await self._news.wait_for(lambda: self._seen.get(topic) not in (None, seen))

    async def _poll(self) -> None:
        while self._topics:
            try:
                now_seen, _ = await self._desk.read(self._look)
            except (SQLAlchemyError, OSError) as error:
                logger.warning("the console could not look for news: %s", type(error).__name__)
            else:
                async with self._news:
                    self._seen = dict(now_seen)
                    self._news.notify_all()
            await asyncio.sleep(self._every)

    def _look(self, connection: Connection) -> Mapping[str, object]:
        ids = [topic for topic in self._topics if topic != EVERYTHING]
        standing = overview.standing_of(connection, ids) if ids else {}
        return {
            **{id_: standing.get(id_, "gone") for id_ in ids},
            EVERYTHING: overview.pulse(connection),
        }


async def listen(request: Request) -> Response:
    """A stream of events named ``changed``, for one page that is open."""
    console: Console = request.app.state.console
    live, topic = console.live, request.query_params.get("delivery", EVERYTHING)[:_LONGEST_ID]
    if live.is_full or "\0" in topic:
        return Response(status_code=HTTPStatus.NO_CONTENT)  # a browser does not ask again after this

    async def stream() -> AsyncIterator[bytes]:
        yield b"retry: 3000\n\n"
        async for _ in live.changes(topic):
            yield b"event: changed\ndata: \n\n"

    return StreamingResponse(stream(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


routes = [Route("/live", listen)]
