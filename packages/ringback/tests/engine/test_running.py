"""Who begins when: the places of a worker and of each destination, without any database or socket."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest

from ringback._running import Running
from ringback._schedule import RetrySchedule
from ringback._store.claims import Claimed
from ringback._types import State
from ringback._verdict import Verdict

HERE = "http://a.example "


class Held:
    """Every attempt ends when it is told to, and not before."""

    def __init__(self) -> None:
        self.under_way: dict[tuple[int, int], asyncio.Future[None]] = {}
        self.begun: list[int] = []

    async def attempt(self, claimed: Claimed, _secrets: Sequence[str]) -> Verdict:
        self.begun.append(claimed.id)
        end = self.under_way[claimed.id, claimed.number] = asyncio.get_running_loop().create_future()
        await end
        return Verdict(State.DELIVERED, "answered 200 as documented", 200)

    def end(self, id_: int, number: int = 1) -> None:
        self.under_way.pop((id_, number)).set_result(None)

    def schedule_of(self, _channel: str) -> RetrySchedule:
        return RetrySchedule()

    def timeout_of(self, _channel: str) -> float:
        return 20.0

    def in_flight_of(self, _destination: str) -> int:
        return 8


def claimed(id_: int, number: int = 1, destination: str = HERE) -> Claimed:
    words: dict[str, Any] = dict.fromkeys(Claimed._fields, "") | {"headers": (), "body": b""}
    figures = {"id": id_, "number": number, "step": 0, "created_at": 0.0, "failing": False}
    return Claimed(**{**words, "channel": "http", "destination": destination, **figures})


@pytest.fixture
def courier() -> Held:
    return Held()


@pytest.fixture
async def running(courier: Held) -> AsyncIterator[Running]:
    running = Running(courier, concurrency=64, on_end=lambda: None)
    yield running
    await running.end(0.01)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


def admit(running: Running, *jobs: Claimed) -> None:
    running.admit(jobs, {"": ("whsec_x",)})


async def test_the_first_attempt_to_a_destination_begins_alone(running: Running, courier: Held) -> None:
    admit(running, *(claimed(id_) for id_ in range(3)), claimed(9, destination="http://b.example "))
    await until(lambda: len(courier.begun) == 2)
    assert courier.begun == [0, 9]
    courier.end(0)
    await until(lambda: len(courier.begun) == 3)
    await asyncio.sleep(0)
    assert courier.begun == [0, 9, 1], "the few that wait use what the first one has opened"


async def test_where_many_wait_two_begin_for_each_that_ends(running: Running, courier: Held) -> None:
    admit(running, *(claimed(id_) for id_ in range(20)))
    await until(lambda: courier.begun == [0])
    courier.end(0)
    await until(lambda: courier.begun == [0, 1, 2])
    courier.end(1)
    courier.end(2)
    await until(lambda: len(courier.begun) == 7)
    assert running.share.running_to(HERE) == 4


async def test_nobody_waits_long_for_a_first_attempt_that_hangs(running: Running, courier: Held) -> None:
    admit(running, *(claimed(id_) for id_ in range(12)))
    await until(lambda: len(courier.begun) == 8)
    assert running.share.running_to(HERE) == 8, "as many as its cap allows, though none has ended"


async def test_a_known_destination_gets_all_its_places_at_once(running: Running, courier: Held) -> None:
    admit(running, claimed(0))
    await until(lambda: courier.begun == [0])
    courier.end(0)
    await until(lambda: len(running.results) == 1)
    admit(running, *(claimed(id_) for id_ in range(1, 20)))
    await asyncio.sleep(0.01)
    assert courier.begun == list(range(9))


async def test_two_attempts_of_one_delivery_leave_no_place_taken(running: Running, courier: Held) -> None:
    """A clock had jumped past the lease of the first, which still ran when the second one began."""
    admit(running, claimed(7))
    await until(lambda: courier.begun == [7])
    admit(running, claimed(7, number=2))
    await until(lambda: courier.begun == [7, 7])
    courier.end(7)
    courier.end(7, number=2)
    await until(lambda: len(running.results) == 2)
    assert [result.number for result in running.results] == [1, 2]
    assert (running.share.running, running.share.running_to(HERE)) == (0, 0)


async def test_only_attempts_that_will_end_soon_are_waited_for(running: Running, courier: Held) -> None:
    """Else a few receivers that hang would hold up every turn by the time in which ends are gathered."""
    admit(running, *(claimed(id_, destination=f"http://{id_}.example ") for id_ in range(5)))
    await until(lambda: len(courier.begun) == 5)
    assert not running.many, "nobody knows yet how long these take"
    admit(running, claimed(10))
    await until(lambda: 10 in courier.begun)
    courier.end(10)
    await until(lambda: len(running.results) == 1)
    admit(running, claimed(11), claimed(12))
    await until(lambda: 12 in courier.begun)
    assert running.many
