"""The independent witness of what arrives: a receiver in a process of its own that logs before it answers.

    python -m testkit.witness LOG

prints its port and serves until standard input ends. It knows nothing of Ringback. The first segment of the
path says how it behaves: ``ok``; ``slow-200`` (milliseconds); ``fail-2`` (500 to the first two requests of
each ``webhook-id``); ``hold`` (no answer). The second segment is the test's own name for what it looks at.
"""

import asyncio
import base64
import json
import os
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Sighting", "Witness", "running_witness"]

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Sighting:
    """One request that arrived. `at` is `time.time` here; `status` is None if it was not answered."""

    at: float
    target: str
    headers: dict[str, str]
    body: bytes
    status: int | None

    @property
    def id(self) -> str:
        """Its ``webhook-id``."""
        return self.headers["webhook-id"]


@dataclass(frozen=True)
class Witness:
    """A running witness and its log."""

    port: int
    log: Path

    def url(self, behaviour: str, name: str) -> str:
        """A base URL that behaves so, and whose requests are found by `name`."""
        return f"http://127.0.0.1:{self.port}/{behaviour}/{name}"

    def sightings(self, name: str) -> list[Sighting]:
        """What has arrived under a name, in the order of arrival."""
        requests: dict[int, dict[str, Any]] = {}
        for line in self.log.read_text().splitlines():
            entry = json.loads(line)
            if "status" in entry:
                requests[entry["number"]]["status"] = entry["status"]
            else:
                requests[entry["number"]] = entry
        return [
            Sighting(r["at"], r["target"], r["headers"], base64.b64decode(r["body"]), r.get("status"))
            for r in requests.values()
            if r["target"].split("/")[2] == name
        ]


@asynccontextmanager
async def running_witness(folder: Path) -> AsyncIterator[Witness]:
    """Yield a witness in a process of its own."""
    log = folder / "witness.log"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "testkit.witness", str(log), cwd=ROOT,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield Witness(int(await process.stdout.readline()), log)
    finally:
        process.stdin.close()
        await process.wait()


# --- the process --------------------------------------------------------------------------------------------


class _Receiver:
    def __init__(self, log: str) -> None:
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._count = 0
        self._seen: Counter[str] = Counter()

    async def serve(self) -> None:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=4096)
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.to_thread(sys.stdin.read)
        os._exit(0)  # nothing of what is left matters

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                await self._exchange(reader, writer)
        writer.transport.abort()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        at = time.time()
        start, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        target = start.split(" ")[1]
        self._count += 1
        number = self._count
        entry = {"number": number, "at": at, "target": target, "headers": headers}
        self._write(entry | {"body": base64.b64encode(body).decode()})
        behaviour, _, figure = target.split("/")[1].partition("-")
        self._seen[headers["webhook-id"]] += 1
        status = 200
        if behaviour == "hold":
            await reader.read()
            return
        if behaviour == "slow":
            await asyncio.sleep(int(figure) / 1000)
        elif behaviour == "fail" and self._seen[headers["webhook-id"]] <= int(figure):
            status = 500
        answer = b'{"ok":true}'
        fields = f"content-type: application/json\r\ncontent-length: {len(answer)}"
        # Logged before it is written: what the sender has read is in the log.
        self._write({"number": number, "status": status})
        writer.write(f"HTTP/1.1 {status} -\r\n{fields}\r\n\r\n".encode() + answer)
        await writer.drain()

    def _write(self, entry: dict[str, Any]) -> None:
        os.write(self._log, json.dumps(entry).encode() + b"\n")


if __name__ == "__main__":
    asyncio.run(_Receiver(sys.argv[1]).serve())
