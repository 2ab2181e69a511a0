"""The pages of endpoints, over both databases."""

from collections.abc import Callable
from typing import Any

import httpx

from ringback._types import State

Office = Any
Words = Callable[[httpx.Response], str]


async def test_endpoints_tell_how_they_do_those_in_trouble_first(desk: Office, words: Words) -> None:
    for _ in range(3):
        await desk.ended(State.DELIVERED)
    await desk.ended(State.DEAD)
    failing = await desk.owe(owner="acme", endpoint="https://failing.example/in")
    await desk.attempt(failing, State.PENDING, counts=-1)
    mail = await desk.owe(channel="mail", endpoint="mail:a@b.example", url="a@b.example")
    await desk.attempt(mail)
    text = words(await desk.operator.get("/endpoints"))
    for said in (
        "Failing https:// failing.example /in owner acme",
        "1 failure in a row",
        "Healthy https:// api.example /events 75 % arrived",
    ):
        assert said in text
    assert text.index("failing.example") < text.index("api.example")
    assert "a@b.example" not in text, "a mail's address is no endpoint unless it is in trouble"


async def test_an_endpoint_is_disabled_and_enabled(desk: Office, words: Words) -> None:
    id_ = await desk.owe(owner="acme")
    page = await desk.operator.get(f"/endpoints/{id_}/disable")
    assert "1 delivery still owed to it ends as dead when due" in words(page)
    answer = await desk.operator.submit(f"/endpoints/{id_}/disable")
    assert answer.headers["location"] == "/console/endpoints?done=disable"
    text = words(await desk.operator.get("/endpoints?done=disable"))
    assert "The endpoint is disabled." in text
    assert "Disabled by operator in the console" in text
    delivery = await desk.operator.get(f"/deliveries/{id_}")
    assert "Its endpoint is disabled" in words(delivery)
    assert (await desk.operator.submit("/endpoints/1/enable")).status_code == 303
    assert "Healthy https:// api.example" in words(await desk.operator.get("/endpoints"))


async def test_only_this_owners_endpoint_is_disabled(desk: Office, words: Words) -> None:
    acme, bolt = await desk.owe(owner="acme"), await desk.owe(owner="bolt")
    await desk.operator.submit(f"/endpoints/{acme}/disable")
    assert "Its endpoint is disabled" in words(await desk.operator.get(f"/deliveries/{acme}"))
    assert "Its endpoint is disabled" not in words(await desk.operator.get(f"/deliveries/{bolt}"))


async def test_what_is_so_already_changes_nothing(desk: Office, words: Words) -> None:
    id_ = await desk.owe()
    assert (await desk.operator.submit(f"/endpoints/{id_}/enable")).status_code == 409
    await desk.operator.submit(f"/endpoints/{id_}/disable")
    desk.clock.advance(60)
    before = await desk.everything()
    again = await desk.operator.submit(f"/endpoints/{id_}/disable")
    assert again.status_code == 409
    assert "It is disabled already" in words(again)
    assert await desk.everything() == before


async def test_no_endpoints_are_told_too(desk: Office, words: Words) -> None:
    assert "No endpoint yet" in words(await desk.operator.get("/endpoints"))


async def test_a_new_signing_secret_is_shown_once(desk: Office, words: Words) -> None:
    id_ = await desk.owe(owner="acme")
    async with desk.ringback.transaction() as session:
        old = await desk.ringback.signing_secret(session, owner="acme")
    asked = await desk.operator.get(f"/endpoints/{id_}/rotate")
    assert "Of acme , for all of its endpoints" in words(asked)
    answer = await desk.operator.submit(f"/endpoints/{id_}/rotate")
    async with desk.ringback.transaction() as session:
        new = await desk.ringback.signing_secret(session, owner="acme")
        keys = await desk.ringback.keys(session, "acme")
    assert new != old
    assert new in answer.text
    assert old not in answer.text
    assert [key.retires_at is None for key in keys] == [True, False], "the old one signs for a while"
    assert new not in (await desk.operator.get(f"/endpoints/{id_}/rotate")).text
