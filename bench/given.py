"""What every measured thing is given, and what it gives back."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

PATH: Final = "/events/invoices/2expen51ve"
EVENT: Final = {"description": "Payment celebration", "paid": True}
BODY: Final = b'{"description":"Payment celebration","paid":true}'

# What a signed delivery carries; the raw clients send the same bytes, though nobody signs them.
HEADERS: Final = {
    "content-type": "application/json",
    "webhook-id": "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W",
    "webhook-timestamp": "1674087231",
    "webhook-signature": "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
}

Numbers: TypeAlias = dict[str, float]
# Work that is timed from outside returns how many deliveries it made; work with figures of its own, those.
Run: TypeAlias = Callable[[], Awaitable[int | Numbers]]


@dataclass(frozen=True, slots=True)
class Given:
    """Where to deliver to and from, how much, and with how many requests side by side.

    `receiver` (nginx) and `paced` (the receiver that can wait or hang) are base URLs, `database` is a
    SQLAlchemy URL and `redis` a Redis URL, empty where there is none. `folder` is for files, and gone
    afterwards.
    """

    receiver: str
    deliveries: int
    concurrency: int
    paced: str = ""
    database: str = ""
    redis: str = ""
    folder: str = ""
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The one URL that peers call."""
        return self.receiver + PATH

    @property
    def postgresql(self) -> str:
        """The database's URL as drivers other than SQLAlchemy's read it."""
        return self.database.replace("postgresql+asyncpg://", "postgresql://")
