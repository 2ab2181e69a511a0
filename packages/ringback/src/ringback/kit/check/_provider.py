"""Plays the provider: makes signed requests as Ringback does, and changes them where a check says so."""

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping, Sequence

from ringback._attempt import USER_AGENT
from ringback._guard import Guard
from ringback._message import Failure, Request
from ringback._openapi.payload import Payload
from ringback._signing import new_message_id, sign
from ringback._transport import Transport
from ringback.kit._calls import Caller
from ringback.kit.check._events import valid_events
from ringback.kit.check._results import Sent

__all__ = ["Provider"]


class Provider:
    """Calls one receiver with one callback. `events` are different payloads that the document allows."""

    def __init__(
        self,
        caller: Caller,
        secrets: Sequence[str],
        transport: Transport,
        *,
        guard: Guard,
        ssl_context: ssl.SSLContext,
        timeout: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.caller = caller
        self.secrets = tuple(secrets)
        self.guard = guard
        self.ssl_context = ssl_context
        self.timeout = timeout
        self.events: list[Payload] = valid_events(caller)
        self._transport = transport
        self._clock = clock
        self._connections = 0

    @property
    def good(self) -> Payload:
        """The payload for checks that are not about payloads."""
        return self.events[0]

    @property
    def other(self) -> bytes:
        """A body that the document allows, and that is not the good one's."""
        different = (event.body for event in self.events if event.body != self.good.body)
        return next(different, self.good.body + b" ")

    def request(
        self,
        body: bytes | None = None,
        *,
        payload: Payload | None = None,
        signed: bytes | None = None,
        message_id: str = "",
        age: float = 0.0,
        secrets: Sequence[str] = (),
        changed: Mapping[str, str | None] | None = None,
        headers: Sequence[tuple[str, str]] = (),
        values: Mapping[str, str] | None = None,
    ) -> Request:
        """A signed request with the good payload, but for what is given.

        `signed` is the body that the signature is made for, `age` how many seconds ago. `changed` are header
        fields that are altered, or with None left out, after the signature was made. `values` stand in the
        URL.
        """
        payload = payload or self.good
        url = self.caller.url(payload, **(values or {}))
        body = payload.body if body is None else body
        message_id = message_id or new_message_id(url.path)
        timestamp = int(self._clock() - age)
        fields: dict[str, str | None] = {
            **dict(payload.headers),
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
        }
        if secrets or self.secrets:
            keys = secrets or self.secrets[:1]
            fields["webhook-signature"] = sign(
                keys, message_id, timestamp, body if signed is None else signed
            )
        fields |= {"user-agent": USER_AGENT, **(changed or {})}
        kept = [(name, value) for name, value in fields.items() if value is not None]
        return Request(self.caller.declared.contract.method, url, (*kept, *headers), body)

    async def send(self, request: Request, *, connection: str = "") -> Sent:
        """One exchange, on a connection of its own unless one is named."""
        if not connection:
            self._connections += 1
            connection = f"own {self._connections}"
        loop = asyncio.get_running_loop()
        start = loop.time()
        try:
            answer = await self._transport.send(request, self.timeout, reuse=connection)
        except Failure as failure:
            return Sent(request, failure, loop.time() - start)
        return Sent(request, answer, loop.time() - start)

    async def send_all(self, requests: Sequence[Request]) -> list[Sent]:
        """All of them at once."""
        return list(await asyncio.gather(*(self.send(request) for request in requests)))
