"""How a worker takes work: due, once, in order, fairly, and given back when it is lost."""

import asyncio
from typing import Any

import pytest

from ringback._store import reports
from ringback._types import State


async def test_only_what_is_due_is_claimed(bench: Any) -> None:
    await bench.add(delay=5.0)
    assert await bench.claim() == []
    bench.clock.now += 5
    assert [c.message_id for c in await bench.claim()] == ["msg_1"]


async def test_what_is_claimed_is_not_claimed_again(bench: Any) -> None:
    await bench.add()
    assert len(await bench.claim()) == 1
    assert await bench.claim() == []


async def test_an_attempt_row_exists_as_soon_as_the_claim_is_committed(bench: Any) -> None:
    await bench.add()
    await bench.claim(worker="here:1")
    [attempt] = await bench.run(lambda c: reports.list_attempts(c, "msg_1"))
    assert (attempt.number, attempt.worker, attempt.trigger) == (1, "here:1", "schedule")
    assert attempt.outcome is None
    assert attempt.started_at == bench.clock.now


async def test_two_workers_at_once_never_hold_one_delivery(bench: Any) -> None:
    for _ in range(60):
        await bench.add()
    batches = await asyncio.gather(*(bench.claim(room=15, worker=f"w{n}") for n in range(4)))
    ids = [claimed.id for batch in batches for claimed in batch]
    assert len(ids) == len(set(ids))
    rest = await bench.claim()
    assert len(ids) + len(rest) == 60


async def test_each_destination_gives_at_most_its_room(bench: Any) -> None:
    for _ in range(5):
        await bench.add(destination="one")
        await bench.add(destination="two")
    claimed = await bench.claim(room=2)
    assert sorted(c.destination for c in claimed) == ["one", "one", "two", "two"]


async def test_the_walk_over_destinations_goes_on_where_it_was(bench: Any) -> None:
    for name in ("c", "a", "b", "a"):
        await bench.add(destination=name)
    walk = bench.store.claims.destinations
    assert await bench.run(lambda c: walk(c, after="", limit=2)) == ["a", "b"]
    assert await bench.run(lambda c: walk(c, after="b", limit=2)) == ["c"]
    assert await bench.run(lambda c: walk(c, after="c", limit=2)) == []


async def test_a_lapsed_lease_gives_the_delivery_back_and_marks_the_attempt_unknown(bench: Any) -> None:
    await bench.add()
    await bench.claim(lease=60)
    bench.clock.now += 61
    assert await bench.run(lambda c: bench.store.claims.lapse(c, quarantine_after=5)) == []
    [attempt] = await bench.run(lambda c: reports.list_attempts(c, "msg_1"))
    assert attempt.outcome == "unknown"
    [claimed] = await bench.claim()
    assert claimed.number == 2


async def test_a_running_lease_is_left_alone(bench: Any) -> None:
    await bench.add()
    await bench.claim(lease=60)
    bench.clock.now += 59
    await bench.run(lambda c: bench.store.claims.lapse(c, quarantine_after=5))
    assert await bench.state() == "sending"


async def test_a_delivery_that_loses_every_worker_is_quarantined(bench: Any) -> None:
    await bench.add()
    ended: list[int] = []
    for _ in range(3):
        await bench.claim(lease=1)
        bench.clock.now += 60
        ended = await bench.run(lambda c: bench.store.claims.lapse(c, quarantine_after=3))
        bench.clock.now += 60
    assert len(ended) == 1
    [report] = await bench.run(reports.list_deliveries)
    assert report.state == "dead"
    assert "quarantined" in report.verdict


async def test_what_is_lost_once_is_due_at_once_and_then_at_times_of_its_own(bench: Any) -> None:
    for _ in range(50):
        await bench.add()
    spread = []
    for _ in range(3):
        assert len(await bench.claim(lease=1)) == 50
        bench.clock.now += 2
        await bench.run(lambda c: bench.store.claims.lapse(c, quarantine_after=9))
        due = [report.next_attempt_at for report in await bench.run(reports.list_deliveries)]
        spread.append(max(due) - bench.clock.now)
        assert min(due) >= bench.clock.now
        assert len(set(due)) == (1 if len(spread) == 1 else 50)
        bench.clock.now = max(due)
    assert spread[0] == 0
    assert 8 < spread[1] <= 10
    assert 32 < spread[2] <= 40


async def test_released_work_is_as_if_it_had_not_been_claimed(bench: Any) -> None:
    await bench.add()
    claimed = await bench.claim()
    await bench.run(lambda c: bench.store.claims.release(c, claimed))
    assert await bench.run(lambda c: reports.list_attempts(c, "msg_1")) == []
    [again] = await bench.claim()
    assert again.number == 1


async def test_the_deliveries_of_a_target_are_claimed_one_at_a_time_in_order(bench: Any) -> None:
    target = await bench.target()
    for _ in range(3):
        await bench.add_ordered(target)
    for expected in ("msg_1", "msg_2", "msg_3"):
        [claimed] = await bench.claim()
        assert claimed.message_id == expected
        assert await bench.claim() == []
        await bench.record(claimed)


async def test_later_ones_wait_while_the_first_is_retried(bench: Any) -> None:
    target = await bench.target()
    await bench.add_ordered(target)
    await bench.add_ordered(target)
    [first] = await bench.claim()
    await bench.record(first, State.PENDING, delay=300.0)
    assert await bench.claim() == []
    assert await bench.states() == {"msg_1": "pending", "msg_2": "waiting"}
    bench.clock.now += 300
    [again] = await bench.claim()
    assert (again.message_id, again.number) == ("msg_1", 2)


async def test_an_unordered_delivery_passes_those_that_wait(bench: Any) -> None:
    target = await bench.target()
    await bench.add_ordered(target)
    await bench.add_ordered(target)
    await bench.add(target_id=target)
    claimed = await bench.claim()
    assert [c.message_id for c in claimed] == ["msg_1", "msg_3"]


async def test_other_targets_do_not_wait(bench: Any) -> None:
    one, two = await bench.target("k"), await bench.target("k2")
    await bench.add_ordered(one, "k")
    await bench.add_ordered(one, "k")
    await bench.add_ordered(two, "k2")
    assert sorted(c.message_id for c in await bench.claim()) == ["msg_1", "msg_3"]


@pytest.mark.parametrize("end", [State.DELIVERED, State.DEAD])
async def test_the_next_one_goes_when_the_first_has_ended(bench: Any, end: Any) -> None:
    target = await bench.target()
    await bench.add_ordered(target)
    await bench.add_ordered(target)
    [first] = await bench.claim()
    await bench.claim()
    assert await bench.state(2) == "waiting"
    await bench.record(first, end)
    assert await bench.state(2) == "pending"


async def test_what_waits_behind_a_cancelled_one_is_found_by_the_upkeep(bench: Any) -> None:
    target = await bench.target()
    await bench.add_ordered(target, delay=100.0)
    await bench.add_ordered(target)
    assert await bench.claim() == []
    assert await bench.state(2) == "waiting"
    assert await bench.run(lambda c: bench.store.operations.cancel(c, "msg_1"))
    await bench.run(bench.store.results.promote_strays)
    assert [c.message_id for c in await bench.claim()] == ["msg_2"]


async def test_ten_thousand_waiting_ones_are_not_due(bench: Any) -> None:
    target = await bench.target()

    def fill(connection: Any) -> None:
        for number in range(1, 2001):
            values = bench.values(target_id=target, sequence=number, delay=0.0 if number > 1 else 1000.0)
            bench.store.targets.add_delivery(connection, values)

    await bench.run(fill)
    while await bench.run(lambda c: bench.store.claims.candidates(c, ["https://a.example:443 "], 500)):
        assert await bench.claim(room=500) == []
    assert list((await bench.states()).values()).count("waiting") == 1999
    await bench.add(destination="https://a.example:443 ")
    [claimed] = await bench.claim()
    assert claimed.message_id == "msg_2001"


async def test_a_disabled_endpoint_is_seen_by_the_claim(bench: Any) -> None:
    await bench.add()
    disable = bench.store.operations.disable
    await bench.run(lambda c: disable(c, "", "https://a.example/events", "by hand"))
    [candidate] = await bench.run(lambda c: bench.store.claims.candidates(c, ["https://a.example:443 "], 9))
    assert candidate.disabled
    await bench.run(lambda c: bench.store.results.refuse(c, [candidate.id]))
    assert await bench.state() == "dead"
    assert await bench.run(lambda c: reports.list_attempts(c, "msg_1")) == []


async def test_another_owner_on_the_same_host_is_not_disabled(bench: Any) -> None:
    await bench.add(owner="other")
    disable = bench.store.operations.disable
    await bench.run(lambda c: disable(c, "", "https://a.example/events", "by hand"))
    assert len(await bench.claim()) == 1
