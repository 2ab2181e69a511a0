"""What people do to deliveries: cancel, replay, enable, prune."""

from typing import Any

from ringback._store import reports
from ringback._types import State


async def test_what_is_not_being_sent_can_be_cancelled(bench: Any) -> None:
    await bench.add()
    await bench.add()
    [first, _second] = await bench.claim()
    await bench.record(first, State.PENDING, delay=60.0)
    cancel = bench.store.operations.cancel
    assert await bench.run(lambda c: cancel(c, "msg_1"))
    assert not await bench.run(lambda c: cancel(c, "msg_1"))
    assert not await bench.run(lambda c: cancel(c, "msg_2"))
    assert not await bench.run(lambda c: cancel(c, "msg_404"))
    assert await bench.states() == {"msg_1": "cancelled", "msg_2": "sending"}


async def test_a_replay_goes_at_once_with_the_same_id_and_a_fresh_schedule(bench: Any) -> None:
    await bench.add()
    [claimed] = await bench.claim()
    await bench.record(claimed, State.DEAD)
    assert await bench.run(lambda c: bench.store.operations.replay(c, "msg_1"))
    assert not await bench.run(lambda c: bench.store.operations.replay(c, "msg_1"))
    [again] = await bench.claim()
    assert (again.message_id, again.number, again.step) == ("msg_1", 2, 0)
    attempts = await bench.run(lambda c: reports.list_attempts(c, "msg_1"))
    assert [a.trigger for a in attempts] == ["schedule", "replay"]


async def test_an_enabled_endpoint_is_called_again(bench: Any) -> None:
    await bench.add()
    op = bench.store.operations
    await bench.run(lambda c: op.disable(c, "", "https://a.example/events", "by hand"))
    assert await bench.run(lambda c: op.enable(c, "", "https://a.example/events"))
    assert not await bench.run(lambda c: op.enable(c, "", "https://nobody.example/"))
    assert len(await bench.claim()) == 1


async def test_prune_deletes_only_what_ended_long_ago_and_only_so_many(bench: Any) -> None:
    for _ in range(4):
        await bench.add()
    for claimed in (await bench.claim())[:3]:
        await bench.record(claimed)
    bench.clock.now += 100
    prune = bench.store.operations.prune
    assert await bench.run(lambda c: prune(c, age=200.0)) == 0
    assert await bench.run(lambda c: prune(c, age=50.0, limit=2)) == 2
    assert await bench.run(lambda c: prune(c, age=50.0, limit=2)) == 1
    assert list((await bench.states()).values()) == ["sending"]
    assert await bench.run(lambda c: reports.list_attempts(c, "msg_1")) == []


async def test_due_and_running_deliveries_are_counted(bench: Any) -> None:
    await bench.add()
    await bench.add(delay=60.0)
    count = bench.store.operations.due_or_sending
    assert await bench.run(count) == 1
    [claimed] = await bench.claim()
    assert await bench.run(count) == 1
    await bench.record(claimed)
    assert await bench.run(count) == 0


async def test_a_rotated_secret_signs_beside_the_new_one_until_it_retires(bench: Any) -> None:
    keys = bench.store.keys
    old = await bench.run(lambda c: keys.ensure(c, "acme"))
    assert await bench.run(lambda c: keys.ensure(c, "acme")) == old
    new = await bench.run(lambda c: keys.rotate(c, "acme", overlap=60.0))
    assert await bench.run(lambda c: keys.signing(c, ["acme"])) == {"acme": (new, old)}
    bench.clock.now += 61
    assert await bench.run(lambda c: keys.signing(c, ["acme"])) == {"acme": (new,)}


async def test_an_owner_without_a_key_gets_one_when_it_is_needed(bench: Any) -> None:
    made = await bench.run(lambda c: bench.store.keys.signing(c, ["new"]))
    assert made["new"][0].startswith("whsec_")
    assert await bench.run(lambda c: bench.store.keys.ensure(c, "new")) == made["new"][0]


async def test_an_endpoint_that_only_failed_for_days_is_disabled(bench: Any) -> None:
    await bench.add()
    disable = bench.store.operations.disable_failing
    for _ in range(10):
        [claimed] = await bench.claim()
        await bench.record(claimed, State.PENDING, counts=-1)
        await bench.run(lambda c: disable(c, after=5 * 86_400.0))
        bench.clock.now += 43_000
    [endpoint] = await bench.run(reports.list_endpoints)
    assert endpoint["disabled_at"] is None
    bench.clock.now += 43_000
    await bench.run(lambda c: disable(c, after=5 * 86_400.0))
    [endpoint] = await bench.run(reports.list_endpoints)
    assert endpoint["disabled_at"] == bench.clock.now
    assert "no success" in endpoint["disabled_reason"]
