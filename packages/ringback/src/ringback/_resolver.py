"""Names to addresses: the system's resolver in few threads of its own, with a deadline."""

import asyncio
import socket
import sys
from collections import Counter, deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Protocol

from ringback._errors import RingbackError
from ringback._urls import IPAddress, is_inside_name

__all__ = ["Resolver", "SystemResolver", "Unresolved"]


class Unresolved(RingbackError):
    """A name has no address now: no such name, no answer in time, or the resolver failed. It may get one."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Resolver(Protocol):
    """What the guard asks. Answers are not trusted: the guard judges each of them."""

    async def resolve(self, host: str) -> Sequence[IPAddress]:
        """All addresses of `host`, or raise `Unresolved`. The guard cancels it when it takes too long."""
        ...


_HOSTS_FILE = r"C:\Windows\System32\drivers\etc\hosts" if sys.platform == "win32" else "/etc/hosts"

_Answer = tuple[IPAddress, ...] | str
"""Addresses, or why there are none."""


@dataclass(slots=True, eq=False)
class _Lookup:
    host: str
    zone: str
    waiters: "set[asyncio.Future[_Answer]]" = field(default_factory=set)


class SystemResolver:
    """``getaddrinfo`` with a bounded number of threads.

    A public name is asked as an absolute name (``host.``), so that no search domain can turn it into an
    inside one; a line for it in the hosts file comes first, as on every system. An inside name, which only
    `allow_networks` makes callable, follows the system's own rules.

    ``getaddrinfo`` cannot be stopped, so a slow name server must not get all threads: attempts that ask for
    one name at one time share a lookup, and the names of one zone (their last two labels) share few threads.
    """

    def __init__(self, *, threads: int = 32, threads_per_zone: int = 4) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="ringback-dns")
        self._threads_per_zone = threads_per_zone
        self._lookups: dict[str, _Lookup] = {}
        self._busy: Counter[str] = Counter()
        self._queues: dict[str, deque[_Lookup]] = {}

    async def resolve(self, host: str) -> Sequence[IPAddress]:
        """All addresses of `host`. A caller may stop waiting at any time; its thread ends when it ends."""
        lookup = self._lookups.get(host)
        if lookup is None:
            lookup = self._lookups[host] = _Lookup(host, ".".join(host.split(".")[-2:]))
            self._begin(lookup)
        waiter: asyncio.Future[_Answer] = asyncio.get_running_loop().create_future()
        lookup.waiters.add(waiter)
        try:
            found = await waiter
        finally:
            lookup.waiters.discard(waiter)
        if isinstance(found, str):
            raise Unresolved(found)
        return found

    def close(self) -> None:
        """Let the threads end; lookups that have not begun are dropped."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _begin(self, lookup: _Lookup) -> None:
        if self._busy[lookup.zone] >= self._threads_per_zone:
            self._queues.setdefault(lookup.zone, deque()).append(lookup)
            return
        self._busy[lookup.zone] += 1
        loop = asyncio.get_running_loop()
        thread = self._threads.submit(_look_up, lookup.host)
        thread.add_done_callback(lambda done: self._report(loop, lookup, done))

    def _report(self, loop: asyncio.AbstractEventLoop, lookup: _Lookup, thread: "Future[_Answer]") -> None:
        """Run in the thread: hand over to the loop, or clear up if it is closed and nobody waits any more."""
        try:
            loop.call_soon_threadsafe(self._end, lookup, thread)
        except RuntimeError:
            self._busy[lookup.zone] -= 1
            for forgotten in (lookup, *self._queues.pop(lookup.zone, ())):
                self._lookups.pop(forgotten.host, None)

    def _end(self, lookup: _Lookup, thread: "Future[_Answer]") -> None:
        del self._lookups[lookup.host]
        found = f"the lookup of {lookup.host} was dropped" if thread.cancelled() else thread.result()
        for waiter in lookup.waiters:
            if not waiter.done():
                waiter.set_result(found)
        self._busy[lookup.zone] -= 1
        self._begin_next(lookup.zone)

    def _begin_next(self, zone: str) -> None:
        queue = self._queues.get(zone)
        while queue:
            lookup = queue.popleft()
            if lookup.waiters:
                self._begin(lookup)
                return
            del self._lookups[lookup.host]
        self._queues.pop(zone, None)
        if not self._busy[zone]:
            del self._busy[zone]


def _look_up(host: str) -> _Answer:
    """Run in a thread: addresses, or why there are none."""
    name = host
    if not is_inside_name(host):
        written = _in_hosts_file(host)
        if written:
            return written
        name = f"{host}."
    try:
        answers = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        found = dict.fromkeys(ip_address(sockaddr[0]) for *_, sockaddr in answers)
    except (OSError, ValueError) as error:
        return f"the name {host} has no address: {error}"
    return tuple(found) or f"the name {host} has no address"


def _in_hosts_file(host: str) -> tuple[IPAddress, ...]:
    """What the hosts file says of `host`: ``getaddrinfo`` does not look there for an absolute name."""
    found: dict[IPAddress, None] = {}
    try:
        with open(_HOSTS_FILE, encoding="ascii", errors="replace") as lines:
            for line in lines:
                address, *names = line.partition("#")[0].split() or [""]
                if host in (name.lower() for name in names):
                    found[ip_address(address)] = None
    except (OSError, ValueError):
        return ()
    return tuple(found)
