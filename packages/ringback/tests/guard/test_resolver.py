"""The system's resolver: absolute names, the hosts file, bounded threads, and fairness between zones."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

import pytest

from ringback._resolver import SystemResolver, Unresolved


class Library:
    """Stands where the C library would ask the network: answers from a table, or hangs until told."""

    def __init__(self) -> None:
        self.answers: dict[str, list[str]] = {}
        self.asked: list[str] = []
        self.hang = threading.Event()
        self.hanging: set[str] = set()
        self.inside = 0
        self.most_inside = 0
        self._lock = threading.Lock()

    def getaddrinfo(self, host: str, *_: Any, **__: Any) -> list[Any]:
        with self._lock:
            self.asked.append(host)
            self.inside += 1
            self.most_inside = max(self.inside, self.most_inside)
        if any(host.endswith(name) for name in self.hanging):
            self.hang.wait(30)
        with self._lock:
            self.inside -= 1
        if host not in self.answers:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(0, 0, 0, "", (text, 0)) for text in self.answers[host]]


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Iterator[Library]:
    found = Library()
    monkeypatch.setattr("ringback._resolver.socket.getaddrinfo", found.getaddrinfo)
    yield found
    found.hang.set()


@pytest.fixture
def resolver() -> Iterator[SystemResolver]:
    made = SystemResolver(threads=8, threads_per_zone=2)
    yield made
    made.close()


async def until(condition: Any) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


async def test_localhost_is_found_as_the_system_knows_it(resolver: SystemResolver) -> None:
    assert ip_address("127.0.0.1") in await resolver.resolve("localhost")


async def test_a_public_name_is_asked_absolutely_so_that_no_search_domain_applies(
    library: Library, resolver: SystemResolver
) -> None:
    library.answers = {"www.example.com.": ["93.184.215.14", "93.184.215.14", "2606:4700::1"]}
    found = await resolver.resolve("www.example.com")
    assert [str(address) for address in found] == ["93.184.215.14", "2606:4700::1"]
    library.answers = {"www.example.com": ["10.0.0.1"]}
    with pytest.raises(Unresolved, match=r"www\.example\.com"):
        await resolver.resolve("www.example.com")
    assert library.asked == ["www.example.com."] * 2


async def test_an_inside_name_follows_the_system_s_rules(library: Library, resolver: SystemResolver) -> None:
    library.answers = {"receiver": ["10.0.0.1"], "a.internal": ["10.0.0.2"]}
    await resolver.resolve("receiver")
    await resolver.resolve("a.internal")
    assert library.asked == ["receiver", "a.internal"]


async def test_a_line_in_the_hosts_file_comes_first(
    library: Library, resolver: SystemResolver, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("# a\n10.0.0.7  Hooks.Example.com b.example.com # c\n\nfd00::7 hooks.example.com\n")
    monkeypatch.setattr("ringback._resolver._HOSTS_FILE", str(hosts))
    found = await resolver.resolve("hooks.example.com")
    assert [str(address) for address in found] == ["10.0.0.7", "fd00::7"]
    assert library.asked == []
    hosts.unlink()
    with pytest.raises(Unresolved):
        await resolver.resolve("hooks.example.com")


async def test_attempts_at_one_time_share_a_lookup_and_later_ones_ask_again(
    library: Library, resolver: SystemResolver
) -> None:
    library.answers = {"a.example.com.": ["93.184.215.14"]}
    library.hanging = {"a.example.com."}
    waiting = [asyncio.ensure_future(resolver.resolve("a.example.com")) for _ in range(50)]
    await until(lambda: library.asked)
    library.hang.set()
    assert len(set(await asyncio.gather(*waiting))) == 1
    await resolver.resolve("a.example.com")
    assert library.asked == ["a.example.com."] * 2


async def test_a_zone_whose_names_hang_holds_few_threads_and_delays_nobody_else(
    library: Library, resolver: SystemResolver
) -> None:
    library.answers = {"www.honest.com.": ["93.184.215.14"]}
    library.hanging = {".evil.com."}
    slow = [asyncio.ensure_future(resolver.resolve(f"r{n}.evil.com")) for n in range(100)]
    await until(lambda: library.inside == 2)
    assert await resolver.resolve("www.honest.com")
    assert library.most_inside <= 3
    for task in slow:
        task.cancel()
    await asyncio.gather(*slow, return_exceptions=True)
    library.hang.set()
    await until(lambda: not resolver._lookups)
    assert len(library.asked) == 3
    assert not resolver._queues
    assert not resolver._busy


async def test_what_waits_in_a_zone_s_queue_has_its_turn(library: Library, resolver: SystemResolver) -> None:
    library.answers = {f"r{n}.example.com.": [f"93.184.215.{n}"] for n in range(20)}
    found = await asyncio.gather(*(resolver.resolve(f"r{n}.example.com") for n in range(20)))
    assert [str(addresses[0]) for addresses in found] == [f"93.184.215.{n}" for n in range(20)]
    assert library.most_inside <= 2


def test_a_lookup_that_outlives_its_event_loop_leaves_nothing_behind(library: Library) -> None:
    resolver = SystemResolver(threads=2, threads_per_zone=1)
    library.hanging = {".example.com."}

    async def give_up() -> None:
        waiting = [asyncio.ensure_future(resolver.resolve(f"{name}.example.com")) for name in "ab"]
        await until(lambda: library.inside)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    asyncio.run(give_up())
    library.hang.set()
    library.answers = {"a.example.com.": ["93.184.215.14"]}

    async def again() -> Any:
        await until(lambda: not resolver._lookups)
        return await resolver.resolve("a.example.com")

    assert len(asyncio.run(again())) == 1
    resolver.close()
