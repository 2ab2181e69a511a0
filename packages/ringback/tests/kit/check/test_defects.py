"""``ringback check`` finds what is wrong with each of many receivers, and nothing with the right one."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from packages.ringback.tests.kit.check.wrong_receivers import DEFECTS, Receiver
from testkit.serving import served

from ringback._signing import new_secret
from ringback.kit._declared import choose
from ringback.kit.check import Outcome, Report, check_receiver

HERE = Path(__file__).parent
DOCUMENT = json.loads((HERE.parents[1] / "contract" / "tutorial-openapi.json").read_bytes())
RIGHT = "Receiver"


@pytest.fixture(scope="module")
def reports() -> dict[str, Report]:
    """The report on every receiver, all of them checked at once."""
    return asyncio.run(check_all())


async def check_all() -> dict[str, Report]:
    secrets = [new_secret(), new_secret()]
    kinds: dict[str, type[Receiver]] = {RIGHT: Receiver, **DEFECTS}
    receivers = {name: make(*secrets) for name, make in kinds.items()}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receivers[scope["path"].split("/")[1]].serve(scope, receive, send)

    [declared] = choose(DOCUMENT)
    async with served(app) as url:
        # Alone and with much time, so that nothing but the receiver itself is judged.
        right = await check_receiver(f"{url}/{RIGHT}", DOCUMENT, declared, secrets=secrets)
        found = await asyncio.gather(
            *(
                check_receiver(f"{url}/{name}", DOCUMENT, declared, secrets=secrets, timeout=6.0)
                for name in DEFECTS
            )
        )
    return {RIGHT: right, **dict(zip(DEFECTS, found, strict=True))}


def test_there_is_nothing_to_say_about_a_right_receiver(reports: dict[str, Report]) -> None:
    assert [(r.name, f.reason) for r in reports[RIGHT].results for f in r.flaws] == []
    assert all(result.outcome is Outcome.PASSED for result in reports[RIGHT].results)


@pytest.mark.parametrize("defect", DEFECTS)
def test_the_defect_is_found(reports: dict[str, Report], defect: str) -> None:
    worst = {result.name: str(result.worst) for result in reports[defect].results if result.flaws}
    expected = DEFECTS[defect]
    assert {name: worst.get(name) for name in expected.finds} == dict.fromkeys(
        expected.finds, expected.severity
    ), worst
