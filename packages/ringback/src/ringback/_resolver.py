"""Names to addresses: the system's resolver in few threads of its own, with a deadline."""

import asyncio
import os
import socket
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
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

    async def resolve(self, host: str, timeout: float) -> Sequence[IPAddress]:
        """All addresses of `host` within `timeout` seconds, or raise `Unresolved`."""
        ...


@dataclass(slots=True)
class _Lookup:
    answer: "asyncio.Future[tuple[IPAddress, ...] | str]"
    waiting: int = 0


class SystemResolver:
    """``getaddrinfo`` with a bounded number of threads.

    A public name is asked as an absolute name (``host.``), so that no search domain can turn it into an
    inside one; a line for it in the hosts file comes first, as on every system. An inside name, which only
    `allow_networks` makes callable, follows the system's own rules. Attempts that ask for one name at one
    time share one lookup, so a hanging name holds one thread and not all of them.
    """

    def __init__(self, *, threads: int = 16) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="ringback-dns")
        self._running: dict[str, _Lookup] = {}

    async def resolve(self, host: str, timeout: float) -> tuple[IPAddress, ...]:
        """All addresses of `host`; the wait ends after `timeout` seconds, whatever the thread does."""
        lookup = self._running.get(host)
        if lookup is None:
            loop = asyncio.get_running_loop()
            lookup = _Lookup(loop.run_in_executor(self._threads, _look_up, host))
            self._running[host] = lookup
            lookup.answer.add_done_callback(lambda _: self._running.pop(host, None))
        lookup.waiting += 1
        try:
            done, _ = await asyncio.wait((lookup.answer,), timeout=timeout)
        finally:
            lookup.waiting -= 1
            if not lookup.waiting and not lookup.answer.done():
                lookup.answer.cancel()
        if not done:
            raise Unresolved(f"the name {host} had no answer within {timeout:g} s; is its name server up?")
        answer = lookup.answer.result()
        if isinstance(answer, str):
            raise Unresolved(answer)
        return answer

    def close(self) -> None:
        """Let the threads end; lookups that have not begun are dropped."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _look_up(host: str) -> tuple[IPAddress, ...] | str:
    """Run in a thread: addresses, or why there are none."""
    name = host
    if not is_inside_name(host):
        written = _in_hosts_file(host)
        if written:
            return written
        name = f"{host}."
    try:
        answers = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        return f"the name {host} has no address: {error}"
    found = dict.fromkeys(ip_address(sockaddr[0]) for *_, sockaddr in answers)
    return tuple(found) or f"the name {host} has no address"


def _in_hosts_file(host: str) -> tuple[IPAddress, ...]:
    """What the hosts file says of `host`: ``getaddrinfo`` does not look there for an absolute name."""
    if sys.platform == "win32":
        path = os.path.expandvars(r"%SystemRoot%\System32\drivers\etc\hosts")
    else:
        path = "/etc/hosts"
    found: dict[IPAddress, None] = {}
    try:
        with open(path, encoding="ascii", errors="replace") as lines:
            for line in lines:
                address, *names = line.partition("#")[0].split() or [""]
                if host in (name.lower() for name in names):
                    found[ip_address(address)] = None
    except (OSError, ValueError):
        return ()
    return tuple(found)
