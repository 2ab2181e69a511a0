"""kill -9 at every point where it hurts: nothing is lost, nothing is invented, duplicates are explained."""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from testkit.invariants import Figures

pytestmark = pytest.mark.asyncio(loop_scope="session")

# The point, and how often a round comes by it at most.
POINTS = {
    "api:commit": 6,  # work of a request is done and not committed
    "api:committed": 6,  # committed, and the client does not know
    "claim:statement": 4,  # half-way through a claim
    "claim:commit": 3,
    "attempt": 6,  # claimed, and nothing was sent
    "sent": 6,  # the receiver has the request, or will have it
    "answered": 6,  # the receiver has said yes, and nobody has written it down
    "record:statement": 5,  # half-way through writing it down
    "record:commit": 4,
    "lapse:statement": 2,  # half-way through taking over what was lost
    "lapse:commit": 1,
}


def plans_of(seed: str, first: str) -> list[dict[str, Any]]:
    """The ends of successive lives: the first at `first`, and sometimes one or two more."""
    rng = Random(seed)
    points = [first, *rng.choices(list(POINTS), k=rng.choice([0, 0, 1, 2]))]
    if first.startswith("lapse"):
        points.insert(0, rng.choice(["attempt", "sent", "answered"]))
    return [{"point": point, "at": rng.randint(1, POINTS[point])} for point in points]


async def play(
    new_round: Callable[[str, str], Any], backend: str, seeds: range, side_by_side: int
) -> Figures:
    """Rounds for every point and every seed, some of them at the same time; their figures in sum."""
    total, room = Figures(), asyncio.Semaphore(side_by_side)

    async def one(point: str, number: int) -> None:
        seed = f"{backend} {point} {number}"
        async with room, asyncio.timeout(90):
            figures: Figures = await new_round(backend, seed).play(plans_of(seed, point))
        for name in ("rounds", "kills", "deliveries", "requests", "duplicates", "broken"):
            setattr(total, name, getattr(total, name) + getattr(figures, name))

    async with asyncio.TaskGroup() as group:
        for number in seeds:
            for point in POINTS:
                group.create_task(one(point, number))
    return total


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
async def test_a_sample_of_kills_at_every_point_loses_nothing(
    new_round: Any, backend: str, record_property: Any
) -> None:
    figures = await play(new_round, backend, range(1), side_by_side=4)
    record_property("figures", str(figures))
    assert figures.broken == []
    assert figures.kills >= len(POINTS)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", range(4))
@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
async def test_hundreds_of_kills_lose_nothing(
    new_round: Any, backend: str, part: int, record_property: Any
) -> None:
    figures = await play(new_round, backend, range(8 * part + 1, 8 * part + 9), side_by_side=4)
    record_property("figures", str(figures))
    assert figures.broken == []
