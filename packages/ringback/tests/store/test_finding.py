"""Looking for deliveries: what each filter finds, leaf by leaf, and what happens when the time is over."""

from typing import Any

import pytest

from ringback._store import finding, reports
from ringback._store.filters import Filter, look_up
from ringback._store.finding import Count, Found, Patience
from ringback._types import State

IMPATIENT = 0.0


async def fill(bench: Any) -> None:
    """Six deliveries: of acme to a and b, of bolt to b; the last two have failed."""
    for number, (owner, host) in enumerate([("acme", "a"), ("acme", "b"), ("bolt", "b")] * 2, start=1):
        await bench.add(
            owner=owner,
            destination=f"https://{host}.example:443 {owner}",
            endpoint=f"https://{host}.example/events",
            channel="http" if number < 6 else "mail",
        )
    claimed = {one.message_id: one for one in await bench.claim()}
    for id_ in ("msg_5", "msg_6"):
        await bench.record(
            claimed[id_], State.DEAD, verdict="given up after 8 attempts: Timed OUT after 20 s"
        )


def ids(leaf: finding.Leaf) -> list[str]:
    return [report.id for report in leaf.deliveries]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Filter(), [6, 5, 4, 3, 2, 1]),
        (Filter(states=(State.DEAD,)), [6, 5]),
        (Filter(states=(State.DEAD, State.SENDING), owner="acme"), [5, 4, 2, 1]),
        (Filter(channel="mail"), [6]),
        (Filter(endpoint="https://a.example/events"), [4, 1]),
        (Filter(destination="https://b.example:443 bolt"), [6, 3]),
        (Filter(destination="B.example"), [6, 5, 3, 2]),
        (Filter(error="timed out"), [6, 5]),
        (Filter(error="100%"), []),
        (Filter(error="_imed"), []),
        (Filter(owner="ACME"), []),
    ],
)
async def test_what_a_filter_finds(bench: Any, wanted: Filter, found: list[int]) -> None:
    await fill(bench)
    leaf = await bench.run(lambda c: finding.browse(c, wanted, before=None, after=None, limit=10))
    assert ids(leaf) == [f"msg_{number}" for number in found]
    assert (leaf.newer, leaf.older, leaf.is_cut) == (None, None, False)
    number = await bench.run(lambda c: finding.count(c, wanted, up_to=10))
    assert number == Count(len(found), is_more=False)
    rows = await bench.run(lambda c: finding.find(c, wanted, after=0, limit=10))
    assert rows == Found(found[::-1], None)


async def test_leaves_meet_each_delivery_once_in_both_directions(bench: Any) -> None:
    for _ in range(7):
        await bench.add()

    async def turn(**place: Any) -> finding.Leaf:
        values: dict[str, Any] = {"before": None, "after": None} | place
        leaf: finding.Leaf = await bench.run(lambda c: finding.browse(c, Filter(), limit=3, **values))
        return leaf

    first = await turn()
    second = await turn(before=first.older)
    third = await turn(before=second.older)
    assert [ids(leaf) for leaf in (first, second, third)] == [
        ["msg_7", "msg_6", "msg_5"],
        ["msg_4", "msg_3", "msg_2"],
        ["msg_1"],
    ]
    assert third.older is None
    back = await turn(after=third.newer)
    assert ids(back) == ids(second)
    newest = await turn(after=back.newer)
    assert ids(newest) == ids(first)
    assert newest.newer is None


@pytest.fixture
def short_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a few rows are several spans."""
    monkeypatch.setattr(finding, "_SPANS", (2,))


@pytest.mark.usefixtures("short_spans")
async def test_when_the_time_is_over_it_says_how_far_it_looked_and_goes_on_there(bench: Any) -> None:
    wanted = Filter(owner="rare")
    await bench.add(owner="rare")
    for _ in range(6):
        await bench.add()
    steps, before, found = 0, None, list[str]()
    while steps == 0 or before is not None:
        leaf = await bench.run(
            lambda c, before=before: finding.browse(
                c, wanted, before=before, after=None, limit=5, patience=Patience(IMPATIENT)
            )
        )
        steps, before, found = steps + 1, leaf.older, found + ids(leaf)
        assert leaf.is_cut == (before is not None)
    assert (steps, found) == (4, ["msg_1"])
    number = await bench.run(lambda c: finding.count(c, wanted, up_to=9, patience=Patience(IMPATIENT)))
    assert number == Count(0, is_more=True)


@pytest.mark.usefixtures("short_spans")
async def test_many_are_found_batch_by_batch_each_once_and_none_that_came_later(bench: Any) -> None:
    for number in range(9):
        await bench.add(owner="mine" if number % 2 else "")
    newest = await bench.run(finding.newest_id)
    await bench.add(owner="mine")
    after: int | None = 0
    found: list[int] = []
    while after is not None:
        batch = await bench.run(
            lambda c, after=after: finding.find(c, Filter(owner="mine"), after=after, up_to=newest, limit=3)
        )
        assert len(batch.ids) <= 3
        after, found = batch.looked_to, found + batch.ids
    assert found == [2, 4, 6, 8]


@pytest.mark.parametrize("owner", [None, ""])
async def test_a_key_is_looked_up_not_looked_for(bench: Any, owner: str | None) -> None:
    target = await bench.target("2expen51ve")
    await bench.add_ordered(target, "2expen51ve")
    await bench.add()
    await bench.add(idempotency_key="2expen51ve")
    await bench.add(owner="other", idempotency_key="2expen51ve")
    await bench.target("another key")
    wanted = Filter(key="2expen51ve", owner=owner)
    meant = await bench.run(lambda c: look_up(c, wanted))
    assert meant == Filter(owner=owner, targets=(target,), rows=(3, 4) if owner is None else (3,))
    expected = ["msg_4", "msg_3", "msg_1"] if owner is None else ["msg_3", "msg_1"]
    leaf = await bench.run(lambda c: finding.browse(c, wanted, before=None, after=None, limit=5))
    assert ids(leaf) == expected
    listed = await bench.run(lambda c: reports.list_deliveries(c, owner=owner, key="2expen51ve"))
    assert [report.id for report in listed] == expected
    assert await bench.run(lambda c: reports.count_deliveries(c, wanted)) == len(expected)
    assert await bench.run(lambda c: reports.count_deliveries(c, Filter(key="nobody's", owner=owner))) == 0


async def test_a_key_of_a_target_is_not_one_of_its_deliveries_own(bench: Any) -> None:
    target = await bench.target("2expen51ve")
    await bench.add_ordered(target, "2expen51ve", idempotency_key="part 1")
    [report] = await bench.run(reports.list_deliveries)
    assert report.key == "2expen51ve"
    assert await bench.run(lambda c: reports.list_deliveries(c, key="part 1")) == []


async def test_an_empty_database_is_no_error(bench: Any) -> None:
    leaf = await bench.run(lambda c: finding.browse(c, Filter(), before=None, after=None, limit=5))
    assert leaf == finding.Leaf([], None, None)
    assert await bench.run(lambda c: finding.count(c, Filter(), up_to=5)) == Count(0, is_more=False)
    assert await bench.run(lambda c: finding.find(c, Filter(), after=0, limit=5)) == Found([], None)
    assert await bench.run(finding.newest_id) == 0
