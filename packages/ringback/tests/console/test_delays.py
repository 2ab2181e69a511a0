"""Guessing costs time, for each address on its own."""

from ringback.console._delays import Delays
from ringback.testing import Clock


def test_two_failures_are_free_and_each_one_more_costs_the_double() -> None:
    clock = Clock(0.0)
    delays, waits = Delays(clock), []
    for _ in range(16):
        delays.failed("192.0.2.1")
        waits.append(delays.wait("192.0.2.1"))
        clock.advance(waits[-1])
    assert waits == [0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900, 900]


def test_other_addresses_pay_nothing() -> None:
    delays = Delays(Clock(0.0))
    for _ in range(5):
        delays.failed("192.0.2.1")
        delays.failed("2001:db8:1:2:3::4")
    assert delays.wait("192.0.2.2") == 0
    assert delays.wait("2001:db8:1:3::4") == 0
    assert delays.wait("2001:db8:1:2:ffff::9") > 0, "whoever has one address of a network has all"


def test_success_and_time_are_forgiving() -> None:
    clock = Clock(0.0)
    delays = Delays(clock)
    for address in ("a", "b"):
        for _ in range(5):
            delays.failed(address)
    delays.succeeded("a")
    assert delays.wait("a") == 0
    clock.advance(3700)
    delays.failed("b")
    assert delays.wait("b") == 0


def test_it_remembers_no_more_than_it_can_keep() -> None:
    delays = Delays(Clock(0.0))
    for number in range(10_050):
        delays.failed(f"10.0.{number // 256}.{number % 256}")
    assert len(delays._records) == 10_000
