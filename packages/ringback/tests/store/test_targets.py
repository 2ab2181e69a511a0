"""Targets and new deliveries, in the caller's transaction."""

from typing import Any

import pytest

from ringback._store import reports


async def test_a_key_is_bound_once_for_each_owner_and_operation(bench: Any) -> None:
    add = bench.store.targets.add
    first = await bench.run(lambda c: add(c, "acme", "op", "k", {}))
    assert first is not None
    assert await bench.run(lambda c: add(c, "acme", "op", "k", {})) is None
    assert await bench.run(lambda c: add(c, "other", "op", "k", {})) not in (None, first)
    assert await bench.run(lambda c: add(c, "acme", "op2", "k", {})) is not None


async def test_sequence_numbers_of_one_target_follow_each_other(bench: Any) -> None:
    await bench.target()
    taken = [await bench.run(lambda c: bench.store.targets.take_sequence(c, "", "op", "k")) for _ in range(3)]
    assert [t.sequence for t in taken] == [1, 2, 3]
    assert taken[0].urls == {"cb": {"url": "u"}}


async def test_an_unknown_key_has_no_target(bench: Any) -> None:
    assert await bench.run(lambda c: bench.store.targets.find(c, "", "op", "nobody")) is None
    assert await bench.run(lambda c: bench.store.targets.take_sequence(c, "", "op", "nobody")) is None


async def test_a_target_can_be_pointed_elsewhere(bench: Any) -> None:
    target = await bench.target()
    await bench.run(lambda c: bench.store.targets.replace(c, target, {"cb": {"url": "new"}}))
    stored = await bench.run(lambda c: bench.store.targets.find(c, "", "op", "k"))
    assert stored.urls == {"cb": {"url": "new"}}


async def test_an_idempotency_key_holds_one_delivery_of_a_target(bench: Any) -> None:
    target, other = await bench.target("k"), await bench.target("k2")
    values = bench.values(target_id=target, idempotency_key="paid")
    assert await bench.run(lambda c: bench.store.targets.add_delivery(c, values)) is not None
    twin = bench.values(target_id=target, idempotency_key="paid")
    assert await bench.run(lambda c: bench.store.targets.add_delivery(c, twin)) is None
    existing = await bench.run(lambda c: bench.store.targets.existing_message_id(c, twin))
    assert existing == values["message_id"]
    elsewhere = bench.values(target_id=other, idempotency_key="paid")
    assert await bench.run(lambda c: bench.store.targets.add_delivery(c, elsewhere)) is not None


async def test_an_idempotency_key_of_a_channel_holds_for_owner_and_channel(bench: Any) -> None:
    mail = {"channel": "mail", "idempotency_key": "invoice:1:sent"}
    first = bench.values(owner="a", **mail)
    assert await bench.run(lambda c: bench.store.targets.add_delivery(c, first)) is not None
    twin = bench.values(owner="a", **mail)
    assert await bench.run(lambda c: bench.store.targets.add_delivery(c, twin)) is None
    assert await bench.run(lambda c: bench.store.targets.existing_message_id(c, twin)) == first["message_id"]
    other_owner = bench.values(owner="b", **mail)
    assert await bench.run(lambda c: bench.store.targets.add_delivery(c, other_owner)) is not None


async def test_a_rollback_takes_target_and_delivery_with_it(bench: Any) -> None:
    with pytest.raises(ZeroDivisionError):
        await bench.run(lambda c: (bench.store.targets.add(c, "", "op", "k", {}), 1 / 0))
    with pytest.raises(ZeroDivisionError):
        await bench.run(lambda c: (bench.store.targets.add_delivery(c, bench.values()), 1 / 0))
    assert await bench.run(lambda c: bench.store.targets.find(c, "", "op", "k")) is None
    assert await bench.states() == {}


async def test_a_delivery_keeps_its_bytes_and_headers(bench: Any) -> None:
    body = bytes(range(256))
    await bench.add(body=body, headers=[["x-kind", "päid"], ["a", "b"]])
    [claimed] = await bench.claim()
    assert claimed.body == body
    assert claimed.headers == (("x-kind", "päid"), ("a", "b"))
    report, frozen = await bench.run(lambda c: reports.find_delivery(c, "msg_1"))
    assert frozen == body
    assert (report.state, report.attempts) == ("sending", 1)
