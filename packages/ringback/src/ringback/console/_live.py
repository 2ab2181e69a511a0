"""News for open pages: one poller for all who watch, which asks the database only while somebody does."""

import asyncio
import hashlib
import logging
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, NamedTuple

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
LASTS: Final = 5.0
"""Seconds until a stream ends and its page asks for the next: a server that stops waits for what is open."""

_EVERY: Final = 1.0
_AGAIN: Final = 1.0
_LONGEST_ID: Final = 64

logger = logging.getLogger("ringback.console")


class News(NamedTuple):
    """How a topic stands: a mark that is another one after each change, and whether this is one."""

    mark: str
    is_change: bool


class Live:
    """Tells watchers that something has changed, never what: they ask for their page again.

    `every` is how many seconds lie between two looks at the database.
    """

    def __init__(self, desk: "Desk", *, every: float = _EVERY) -> None:
        self._desk = desk
        self._every = every
        self._topics: Counter[str] = Counter()
        self._marks: dict[str, str] = {}
        self._news = asyncio.Condition()
        self._poller: asyncio.Task[None] | None = None

    @property
    def is_full(self) -> bool:
        """Whether nobody else can watch."""
        return self._topics.total() >= WATCHERS

    async def changes(
        self, topic: str, *, since: str | None = None, lasts: float = LASTS
    ) -> AsyncGenerator["News"]:
        """How it stands now, and then each change, for `lasts` seconds.

        `since` is the mark that was told last: where it is another one now, that is a change.
        """
        self._topics[topic] += 1
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll(), name="ringback console news")
        loop = asyncio.get_running_loop()
        ends_at, mark = loop.time() + lasts, since
        is_told = False
        try:
            while (rest := ends_at - loop.time()) > 0:
                found = await self._another(topic, mark if is_told else None, rest)
                if found is None:
                    break
                yield News(found, is_change=mark is not None and found != mark)
                mark, is_told = found, True
        finally:
            self._topics[topic] -= 1
            if self._topics[topic] <= 0:
                del self._topics[topic]
                self._marks.pop(topic, None)

    async def _another(self, topic: str, mark: str | None, timeout: float) -> str | None:
        """The mark of a topic as soon as it is another one; None where that takes too long."""
        try:
            async with asyncio.timeout(timeout), self._news:
                await self._news.wait_for(lambda: self._marks.get(topic) not in (None, mark))
        except TimeoutError:
            return None
        return self._marks.get(topic)

    async def _poll(self) -> None:
        while self._topics:
            try:
                now_seen, _ = await self._desk.read(self._look)
            except (SQLAlchemyError, OSError) as error:
                logger.warning("the console could not look for news: %s", type(error).__name__)
            else:
                async with self._news:
                    self._marks = now_seen
                    self._news.notify_all()
            await asyncio.sleep(self._every)

    def _look(self, connection: Connection) -> dict[str, str]:
        ids = [topic for topic in self._topics if topic != EVERYTHING]
        standing = overview.standing_of(connection, ids) if ids else {}
        found = {id_: standing.get(id_, "gone") for id_ in ids}
        found[EVERYTHING] = str(overview.pulse(connection))
        return {topic: hashlib.sha256(text.encode()).hexdigest()[:16] for topic, text in found.items()}


async def listen(request: Request) -> Response:
    """A stream of events named ``changed``, for one page that is open."""
    console: Console = request.app.state.console
    live, topic = console.live, request.query_params.get("delivery", EVERYTHING)[:_LONGEST_ID]
    if live.is_full or "\0" in topic:
        return Response(status_code=HTTPStatus.NO_CONTENT)  # a browser does not ask again after this

    since = request.headers.get("last-event-id")

    async def stream() -> AsyncIterator[str]:
        yield f"retry: {_AGAIN * 1000:.0f}\n\n"
        async with aclosing(live.changes(topic, since=since)) as changes:
            async for news in changes:
                told = "event: changed\ndata: .\n" if news.is_change else ""
                yield f"id: {news.mark}\n{told}\n"

    return StreamingResponse(stream(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


routes = [Route("/live", listen)]
