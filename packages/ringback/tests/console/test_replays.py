"""Replaying all that match, over both databases: the preview, the batches, and what stops it."""

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import httpx
import pytest

from ringback._types import State
from ringback.console import _replays

Office = Any
Words = Callable[[httpx.Response], str]


def fields_of(page: httpx.Response) -> dict[str, str]:
    """The fields of the form that goes on, as a browser would send them."""
    [form] = (form for form in page.text.split("<form")[1:] if 'name="begin"' in form)
    form = form.partition("</form>")[0]
    found = re.findall(r'<input [^>]*name="(\w+)"[^>]* value="([^"]*)"', form)
    return {name: unescape(value) for name, value in found}


async def go_on(desk: Office, page: httpx.Response, **changes: str) -> httpx.Response:
    answer = await desk.operator.post("/deliveries/replay", **(fields_of(page) | changes))
    assert isinstance(answer, httpx.Response)
    return answer


async def test_the_preview_says_how_many_and_changes_nothing(desk: Office, words: Words) -> None:
    for number in range(7):
        await desk.ended(State.DEAD, f"k{number}", owner="acme")
    await desk.ended(State.DEAD, "other", owner="bolt")
    before = await desk.everything()
    text = words(await desk.operator.get("/deliveries/replay?owner=acme"))
    assert "Replay 7 deliveries?" in text
    assert "Dead owner acme" in text
    assert "k6 now to" in text
    assert "and 2 older ones" in text
    assert await desk.everything() == before


async def test_a_count_ends_somewhere(desk: Office, words: Words, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_replays, "COUNTED_UP_TO", 3)
    for number in range(5):
        await desk.ended(State.DEAD, f"k{number}")
    assert "Replay 3 deliveries or more?" in words(await desk.operator.get("/deliveries/replay"))


async def test_it_goes_batch_by_batch_at_the_rate_and_tells_how_far(
    desk: Office, words: Words, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_replays, "BATCH", 2)
    ids = [await desk.ended(State.DEAD, f"k{number}") for number in range(5)]
    delivered = await desk.ended(State.DELIVERED, "fine")
    page = await desk.operator.get("/deliveries/replay?state=dead")
    later = await desk.ended(State.DEAD, "made after the preview")
    shares = []
    page = await go_on(desk, page, rate="2")
    while "Replaying…" in page.text:
        shares.append(float(re.findall(r'<progress max="100" value="([\d.]+)"', page.text)[0]))
        desk.clock.advance(0.25)
        page = await go_on(desk, page)
    assert "5 deliveries are sent again" in words(page)
    assert shares == sorted(shares)
    assert 0 < shares[0] < 100
    assert [await desk.state(id_) for id_ in ids] == ["pending"] * 5
    assert await desk.state(delivered) == "delivered"
    assert await desk.state(later) == "dead"
    rows = dict(await desk.everything())["ringback_deliveries"]
    assert len(rows) == 7
    async with desk.ringback.transaction() as session:
        reports = await desk.ringback.deliveries(session)
    dues = sorted(r.next_attempt_at for r in reports if r.state == "pending")
    assert dues[-1] - dues[0] == pytest.approx(2.0), "five at two a second, from the first to the last"


async def test_what_has_died_again_meanwhile_is_met_once(
    desk: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_replays, "BATCH", 1)
    first = await desk.ended(State.DEAD, "a")
    await desk.ended(State.DEAD, "b")
    page = await go_on(desk, await desk.operator.get("/deliveries/replay"), rate="0")
    await desk.attempt(first, State.DEAD)
    page = await go_on(desk, page)
    assert "2 deliveries are sent again" in page.text
    assert await desk.state(first) == "dead"


async def test_what_has_not_ended_cannot_be_meant(desk: Office, words: Words) -> None:
    await desk.owe("open")
    assert "Nothing to replay" in words(await desk.operator.get("/deliveries/replay?state=pending"))
    page = await desk.operator.get("/deliveries?state=pending")
    assert "/deliveries/replay" not in page.text


async def test_a_form_that_was_tampered_with_changes_nothing(desk: Office) -> None:
    await desk.ended(State.DEAD)
    page = await desk.operator.get("/deliveries/replay")
    before = await desk.everything()
    for changes in (
        *({"after": "x"}, {"after": "99"}, {"begin": "-1"}, {"done": "7"}, {"rate": "-1"}),
        *({"rate": "1e9"}, {"rate": "nan"}, {"started": "inf"}, {"up_to": "9" * 5000}),
    ):
        assert (await go_on(desk, page, **changes)).status_code == 400, changes
    assert await desk.everything() == before
