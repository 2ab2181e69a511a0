"""A TCP proxy that a test can make fail: cut at a certain word, cut everything, or forward no more."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

__all__ = ["TcpProxy", "running_proxy"]


@dataclass
class TcpProxy:
    """Listens on `port`, and forwards to another one of this machine."""

    port: int = 0
    cuts: int = 0
    connections: int = 0
    _word: bytes = b""
    _countdown: int = 0
    _passing: bool = False
    _freezes: int = 0
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def cut_at(self, word: bytes, *, times: int, passing: bool) -> None:
        """Cut the connection on which the client says `word` for the `times`-th time from now, in all.

        With `passing` the server still hears it, and only the answer is lost.
        """
        self._word, self._countdown, self._passing = word, times, passing

    def cut_all(self) -> None:
        """Reset every connection there is."""
        for writer in list(self._writers):
            writer.transport.abort()

    def freeze(self) -> None:
        """Forward nothing more on the connections there are, and do not close them either."""
        self._freezes += 1

    async def accept(self, upstream: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one connection in both directions until one side closes it."""
        self.connections += 1
        try:
            there, back = await asyncio.open_connection("127.0.0.1", upstream)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, back}
        freezes = self._freezes
        pumps = [
            asyncio.create_task(self._pump(reader, back, freezes, watched=True)),
            asyncio.create_task(self._pump(there, writer, freezes, watched=False)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.wait(pumps)
            for one in (writer, back):
                self._writers.discard(one)
                one.transport.abort()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, freezes: int, *, watched: bool
    ) -> None:
        with suppress(OSError):
            while chunk := await reader.read(65536):
                if freezes != self._freezes:
                    await asyncio.Event().wait()
                cut = watched and self._is_time(chunk)
                if not cut or self._passing:
                    writer.write(chunk)
                    await writer.drain()
                if cut:
                    self.cuts += 1
                    return

    def _is_time(self, chunk: bytes) -> bool:
        if not self._word or self._word not in chunk:
            return False
        self._countdown -= 1
        return self._countdown == 0


@asynccontextmanager
async def running_proxy(upstream: int) -> AsyncIterator[TcpProxy]:
    """Yield a proxy to a port of this machine."""
    proxy = TcpProxy()
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with suppress(asyncio.CancelledError):
            await proxy.accept(upstream, reader, writer)
        tasks.discard(task)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        while tasks:  # noqa: ASYNC110 - each takes itself out
            await asyncio.sleep(0)
