"""One connection: writes one request at a time and reads its response."""

import asyncio
import select
from math import inf

from ringback._message import Failure, FailureReason
from ringback._response import ResponseReader
from ringback._urls import IPAddress

__all__ = ["Connection", "Place"]

Place = tuple[str, str, str, int]
"""Where a connection may be used again: partition, scheme, host, port."""

_SLICE = 64 * 1024


class Outbound:
    """Requests that go out together at the end of the event loop's turn.

    One by one, each would find a receiver that has gone to sleep after the last, and waking it costs more
    than the rest of the sending. Together they wake it once.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[asyncio.Transport, bytes]] = []

    def write(self, transport: asyncio.Transport, data: bytes) -> None:
        """Write `data` soon; nothing happens if the transport has been closed by then."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._flush)
        self._waiting.append((transport, data))

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        for transport, data in waiting:
            if not transport.is_closing():
                transport.write(data)


class Connection(asyncio.Protocol):
    """A connection to one judged address, used for one request at a time.

    While it is open it is in `open_connections`. Anything that arrives while no request
    is out closes it, for no honest receiver speaks first.
    """

    __slots__ = (
        "_answered",
        "_file",
        "_open",
        "_outbound",
        "_reader",
        "_transport",
        "_writable",
        "address",
        "closed",
        "deadline",
        "idle_since",
        "place",
        "remote",
    )

    def __init__(
        self,
        place: Place,
        address: IPAddress,
        open_connections: "set[Connection]",
        outbound: Outbound,
    ) -> None:
        self.place = place
        self.address = address
        self.remote = str(address)
        self.closed = False
        self.deadline = inf
        self.idle_since = 0.0
        self._open = open_connections
        self._outbound = outbound
        self._file = -1
        self._transport: asyncio.Transport | None = None
        self._reader: ResponseReader | None = None
        self._answered: asyncio.Future[None] | None = None
        self._writable: asyncio.Event | None = None

    # ---- what the transport calls -------------------------------------------------------------------------

    async def exchange(self, head: bytes, body: bytes, reader: ResponseReader, deadline: float) -> None:
        """Write the request and return when `reader` is done; the connection is dropped on any error.

        `deadline`, in the loop's time, is only noted here; whoever watches it calls `expire`.
        """
        if self.closed or self._transport is None:
            detail = "the receiver closed the connection before the request was written"
            raise Failure(FailureReason.RESET, detail)
        self._reader = reader
        self.deadline = deadline
        self._answered = asyncio.get_running_loop().create_future()
        try:
            if len(body) <= _SLICE:
                self._outbound.write(self._transport, head + body)
            else:
                await self._write_long(head, body)
            await self._answered
        except BaseException:
            self.abort()
            raise

    def expire(self) -> None:
        """The deadline of the request has passed: what came so far is all there is."""
        reader = self._reader
        if reader is not None:
            reader.deadline_passed()
            self._finish(reader)

    def is_fresh(self) -> bool:
        """Whether nothing has come in since the last response: neither bytes nor the end.

        Looks at the socket itself, since the event loop may not have seen yet that the receiver closed.
        """
        return not _is_readable(self._file)

    def close(self) -> None:
        """Close in good order."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once; what is not written is dropped."""
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    def drop(self) -> None:
        """Close at once, and forget, what nobody has got yet: uvloop never reports that it was lost."""
        self.abort()
        self._open.discard(self)

    # ---- what the event loop calls ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        if self.closed:  # dropped before it was made
            self.abort()
            return
        self._file = transport.get_extra_info("socket").fileno()
        self._open.add(self)

    def data_received(self, data: bytes) -> None:
        reader = self._reader
        if reader is None:
            self.abort()
        elif reader.feed(data):
            self._finish(reader)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        reader = self._reader
        if reader is not None:
            reader.end_of_file(exc)
            self._finish(reader)
        self._open.discard(self)

    def pause_writing(self) -> None:
        if self._writable is not None:
            self._writable.clear()

    def resume_writing(self) -> None:
        if self._writable is not None:
            self._writable.set()

    # ---- inside -------------------------------------------------------------------------------------------

    def _finish(self, reader: ResponseReader) -> None:
        self._reader = None
        self.deadline = inf
        if self._writable is not None:
            self._writable.set()
        if not reader.reusable or (self._transport is not None and self._transport.get_write_buffer_size()):
            self.abort()
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(None)

    async def _write_long(self, head: bytes, body: bytes) -> None:
        assert self._transport is not None
        self._writable = writable = asyncio.Event()
        writable.set()
        self._transport.write(head)
        view = memoryview(body)
        for start in range(0, len(body), _SLICE):
            await writable.wait()
            if self._reader is None:  # answered, or lost, before all was written
                self.abort()
                return
            self._transport.write(bytes(view[start : start + _SLICE]))


def _is_readable(file: int) -> bool:
    """Whether bytes, the end or an error wait to be read from an open socket."""
    if not hasattr(select, "poll"):  # on Windows, where any file number will do for `select`
        return bool(select.select([file], [], [], 0)[0])
    poll = select.poll()
    poll.register(file, select.POLLIN)
    return bool(poll.poll(0))
