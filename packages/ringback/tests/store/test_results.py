"""What is written down of an attempt, and whose result is refused."""

from typing import Any

from ringback._store import reports
from ringback._store.results import Result
from ringback._types import State


async def test_a_delivered_result_ends_the_delivery_and_closes_the_attempt(bench: Any) -> None:
    await bench.add()
    [claimed] = await bench.claim()
    bench.clock.now += 1
    accepted = await bench.record(
        claimed, status_code=200, verdict="answered 200", duration=0.25, response='{"ok":true}'
    )
    assert accepted == {claimed.id}
    [report] = await bench.run(reports.list_deliveries)
    assert (report.state, report.status_code, report.verdict) == ("delivered", 200, "answered 200")
    assert report.finished_at == bench.clock.now
    [attempt] = await bench.run(lambda c: reports.list_attempts(c, "msg_1"))
    assert (attempt.outcome, attempt.duration, attempt.response) == ("delivered", 0.25, '{"ok":true}')


async def test_a_retry_is_due_after_its_delay(bench: Any) -> None:
    await bench.add()
    [claimed] = await bench.claim()
    await bench.record(claimed, State.PENDING, delay=30.0, status_code=500)
    [report] = await bench.run(reports.list_deliveries)
    assert (report.state, report.finished_at) == ("pending", None)
    assert report.next_attempt_at == bench.clock.now + 30
    [attempt] = await bench.run(lambda c: reports.list_attempts(c, "msg_1"))
    assert attempt.outcome == "retry"


async def test_a_late_worker_is_refused(bench: Any) -> None:
    await bench.add()
    [late] = await bench.claim(worker="late", lease=60)
    bench.clock.now += 61
    await bench.run(lambda c: bench.store.claims.lapse(c, quarantine_after=5))
    [now] = await bench.claim(worker="now")
    assert await bench.record(late, State.DEAD) == set()
    assert await bench.state() == "sending"
    assert await bench.record(now) == {now.id}
    assert await bench.record(late, State.DEAD) == set()
    assert await bench.state() == "delivered"
    first, second = await bench.run(lambda c: reports.list_attempts(c, "msg_1"))
    assert (first.outcome, second.outcome) == ("unknown", "delivered")


async def test_recording_twice_changes_nothing(bench: Any) -> None:
    await bench.add()
    [claimed] = await bench.claim()
    assert await bench.record(claimed, State.PENDING, delay=5.0) == {claimed.id}
    assert await bench.record(claimed, State.DELIVERED) == set()
    assert await bench.state() == "pending"


async def test_many_that_ended_alike_are_recorded_together_and_a_late_one_is_refused(
    bench: Any,
) -> None:
    for _ in range(12):
        await bench.add()
    claimed = await bench.claim()
    results = [
        Result(
            c.id,
            c.number + (place == 3),
            c.owner,
            c.endpoint,
            State.DELIVERED,
            delay=0.0,
            duration=place / 10,
            verdict="answered 200 \x00",
            status_code=200,
            response="ok",
        )
        for place, c in enumerate(claimed)
    ]
    late = claimed[3].id
    accepted = await bench.run(lambda c: bench.store.results.record(c, results))
    assert accepted == {c.id for c in claimed} - {late}
    reported = {r.id: r for r in await bench.run(reports.list_deliveries)}
    assert [reported[c.message_id].state for c in claimed].count("delivered") == 11
    assert reported[claimed[3].message_id].state == "sending"
    for place, one in enumerate(claimed):
        [attempt] = await bench.run(lambda c, one=one: reports.list_attempts(c, one.message_id))
        expected = None if place == 3 else (place / 10, "answered 200 \ufffd", "ok")
        assert (attempt.outcome and (attempt.duration, attempt.verdict, attempt.response)) == expected


async def test_one_batch_may_hold_every_kind_of_end(bench: Any) -> None:
    for _ in range(3):
        await bench.add()
    claimed = await bench.claim()
    ends = (State.DELIVERED, State.DEAD, State.PENDING)
    batch = [
        Result(c.id, c.number, c.owner, c.endpoint, end, 5.0, 0.1, end.value)
        for c, end in zip(claimed, ends, strict=True)
    ]
    await bench.run(lambda c: bench.store.results.record(c, batch))
    assert list((await bench.states()).values()) == ["delivered", "dead", "pending"]


async def test_hostile_text_in_an_answer_can_always_be_stored(bench: Any) -> None:
    await bench.add()
    [claimed] = await bench.claim()
    text = "\x00\x1b]0;owned\x07 ' -- \\u0000 \U0001f600 \u202e"
    assert await bench.record(claimed, response=text, verdict=text, breach=text) == {claimed.id}
    [attempt] = await bench.run(lambda c: reports.list_attempts(c, "msg_1"))
    assert "\x00" not in attempt.response
    assert attempt.response.startswith("\ufffd\x1b]0;owned")


async def test_failures_are_counted_by_endpoint_and_forgotten_after_a_success(bench: Any) -> None:
    await bench.add()
    [claimed] = await bench.claim()
    await bench.record(claimed, State.PENDING, counts=-1)
    [endpoint] = await bench.run(reports.list_endpoints)
    assert (endpoint["failures"], endpoint["failing_since"]) == (1, bench.clock.now)
    began = bench.clock.now
    bench.clock.now += 10
    [claimed] = await bench.claim()
    await bench.record(claimed, State.PENDING, counts=-1)
    [endpoint] = await bench.run(reports.list_endpoints)
    assert (endpoint["failures"], endpoint["failing_since"]) == (2, began)
    [claimed] = await bench.claim()
    await bench.record(claimed, counts=1)
    [endpoint] = await bench.run(reports.list_endpoints)
    assert (endpoint["failures"], endpoint["failing_since"]) == (0, None)


async def test_a_healthy_endpoint_has_no_row(bench: Any) -> None:
    await bench.add()
    [claimed] = await bench.claim()
    await bench.record(claimed, counts=1)
    assert await bench.run(reports.list_endpoints) == []


async def test_a_result_can_disable_its_endpoint(bench: Any) -> None:
    await bench.add()
    [claimed] = await bench.claim()
    await bench.record(claimed, State.DEAD, counts=-1, disable=True, verdict="answered 410")
    [endpoint] = await bench.run(reports.list_endpoints)
    assert endpoint["disabled_at"] == bench.clock.now
    assert endpoint["disabled_reason"] == "answered 410"
