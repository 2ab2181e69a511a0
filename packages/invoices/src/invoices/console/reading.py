"""What the service's pages in the console are made from, and how they read what an address asks for."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from starlette.exceptions import HTTPException
from starlette.requests import Request

from invoices.database import reading
from invoices.pdf import Renderer
from invoices.settings import Settings
from ringback import Ringback

__all__ = ["Reading", "number_of", "path_number", "seconds", "word_of"]

_LONGEST: Final = 255
_DIGITS: Final = 18


@dataclass(frozen=True, slots=True)
class Reading:
    """What the pages look into. `link_to` gives the link to a stored invoice's page by its `pk`."""

    settings: Settings
    sessions: async_sessionmaker[AsyncSession]
    ringback: Ringback
    renderer: Renderer
    link_to: Callable[[int], Awaitable[str | None]]

    def session(self) -> AbstractAsyncContextManager[AsyncSession]:
        """One transaction that only reads."""
        return reading(self.sessions)


def word_of(request: Request, name: str) -> str:
    """A word of the address's query, empty where there is none."""
    # PostgreSQL takes no NUL in any text.
    return request.query_params.get(name, "").replace("\0", "").strip()[:_LONGEST]


def number_of(text: str) -> int | None:
    """A row's number in an address; None where it is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else None


def path_number(request: Request, name: str) -> int:
    """The same in the path; raises a 404 where it is none."""
    number = number_of(request.path_params[name])
    if number is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return number


def seconds(moment: datetime | None) -> float | None:
    """A moment as the console shows moments: seconds since 1970."""
    return None if moment is None else moment.timestamp()
