"""How much a destination is given: breaker, rate, and the worker's own slots."""

from dataclasses import dataclass
from typing import Any

import pytest

from ringback._limits import Breaker, Rates, Ready, Share


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_healthy_destination_has_its_usual_share(clock: Any) -> None:
    breaker = Breaker(clock)
    breaker.answered("a")
    assert breaker.cap("a", 16) == 16


def test_failures_one_after_the_other_halve_the_share_and_then_open_the_breaker(clock: Any) -> None:
    breaker = Breaker(clock)
    caps = []
    for _ in range(6):
        breaker.failed("a")
        caps.append(breaker.cap("a", 16))
    assert caps == [8, 4, 2, 1, 0, 0]
    assert breaker.resting == 1
    assert breaker.cap("b", 16) == 16


def test_after_a_rest_one_probe_goes_and_an_answer_closes_the_breaker(clock: Any) -> None:
    breaker = Breaker(clock)
    for _ in range(5):
        breaker.failed("a")
    clock.now += 5
    assert breaker.cap("a", 16) == 1
    breaker.answered("a")
    assert breaker.cap("a", 16) == 16


def test_rests_double_up_to_a_minute(clock: Any) -> None:
    breaker = Breaker(clock)
    for _ in range(5):
        breaker.failed("a")
    for rest in (5, 10, 20, 40, 60, 60):
        clock.now += rest - 0.1
        assert breaker.cap("a", 16) == 0
        clock.now += 0.1
        assert breaker.cap("a", 16) == 1
        breaker.failed("a")


def test_without_a_rate_everything_may_start(clock: Any) -> None:
    rates = Rates(None, clock)
    rates.spend("a")
    assert rates.allowed("a") > 1000


def test_a_rate_saves_up_one_second_and_no_more(clock: Any) -> None:
    rates = Rates(3.0, clock)
    started = 0
    while rates.allowed("a"):
        rates.spend("a")
        started += 1
    assert started == 3
    clock.now += 1 / 3
    assert rates.allowed("a") == 1
    assert rates.allowed("b") == 3
    clock.now += 100
    assert rates.allowed("a") == 3


def test_less_than_one_a_second_is_one_every_so_often(clock: Any) -> None:
    rates = Rates(0.5, clock)
    rates.spend("a")
    clock.now += 1.9
    assert rates.allowed("a") == 0
    clock.now += 0.1
    assert rates.allowed("a") == 1


def test_slow_attempts_give_their_place_back_within_a_wider_limit(clock: Any) -> None:
    share = Share(2, clock)
    share.start((1, 1), "a")
    share.start((2, 1), "a")
    assert share.room() == 0
    clock.now += 1.1
    assert share.room() == 2
    for id_ in range(3, 17):
        share.start((id_, 1), "b")
        clock.now += 1.1
        share.room()
    assert share.room() == 0
    share.end((1, 1), "a")
    assert (share.room(), share.running, share.running_to("a")) == (1, 15, 1)


def test_how_long_a_destination_takes_is_known_while_its_attempts_end_quickly(clock: Any) -> None:
    share = Share(10, clock)
    for id_ in range(4):
        share.start((id_, 1), "a")
    assert share.usual_duration("a") is None
    clock.now += 0.1
    share.end((0, 1), "a")
    assert share.usual_duration("a") == pytest.approx(0.1)
    clock.now += 0.5
    share.end((1, 1), "a")
    assert share.usual_duration("a") == pytest.approx(0.2)
    clock.now += 1.1
    share.room()
    share.end((2, 1), "a")
    assert share.usual_duration("a") is None


def test_two_attempts_of_one_delivery_have_a_place_each(clock: Any) -> None:
    """One whose lease is over, by a clock that has jumped, may still run when the next one begins."""
    share = Share(2, clock)
    share.start((7, 1), "a")
    share.start((7, 2), "a")
    assert (share.room(), share.running_to("a")) == (0, 2)
    share.end((7, 1), "a")
    assert (share.room(), share.running_to("a")) == (1, 1)
    share.end((7, 2), "a")
    assert (share.room(), share.running) == (2, 0)


def test_what_is_ready_leaves_in_turn_for_each_destination(clock: Any) -> None:
    ready: Ready[str] = Ready(clock)
    for job in ("a1", "a2", "b1"):
        ready.add(job[0], job)
    assert (len(ready), ready.waiting_for("a"), ready.waiting_for("c")) == (3, 2, 0)
    assert ready.next("a") == "a1"
    assert ready.next("c") is None
    assert ready.next_of_any(lambda name: name == "b") == "b1"
    assert ready.next_of_any(lambda _name: False) is None
    assert ready.next_of_any(lambda _name: True) == "a2"
    assert len(ready) == 0


def test_destinations_take_turns(clock: Any) -> None:
    ready: Ready[str] = Ready(clock)
    for job in ("a1", "a2", "b1", "b2"):
        ready.add(job[0], job)
    assert [ready.next_of_any(lambda _name: True) for _ in range(4)] == ["a1", "b1", "a2", "b2"]


def test_what_waits_too_long_and_what_is_refused_is_given_back(clock: Any) -> None:
    ready: Ready[str] = Ready(clock)
    ready.add("a", "old")
    ready.add("b", "refused")
    clock.now += 20
    ready.add("a", "new")
    assert ready.give_back(older_than=20, refused=lambda name: name == "b") == ["old", "refused"]
    assert len(ready) == 1
