"""The pages of deliveries, over both databases."""

import asyncio
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import httpx

from ringback._signing import sign
from ringback._types import State
from ringback.console._deliveries import ON_A_LEAF
from ringback.testing import LocalReceiver

Office = Any
Words = Callable[[httpx.Response], str]


def ids(page: httpx.Response) -> list[str]:
    return list(dict.fromkeys(re.findall(r'href="/console/deliveries/(msg_\w+)"', page.text)))


# --- the list ----------------------------------------------------------------------------------------------


async def test_the_list_tells_the_newest_first_and_how_they_go(desk: Office, words: Words) -> None:
    delivered = await desk.ended(State.DELIVERED, "paid-1")
    dead = await desk.ended(State.DEAD, "paid-2", owner="acme")
    retried = await desk.ended(State.PENDING, "paid-3")
    sending = await desk.owe("paid-4")
    await desk.attempt(sending, None)
    due = await desk.owe("paid-5")
    page = await desk.operator.get("/deliveries")
    assert ids(page) == [due, sending, retried, dead, delivered]
    text = words(page)
    for said in (
        "Pending 2",
        "Sending 1",
        "paid-2",
        "· acme",
        "api.example /events/invoices/paid-1",
        "As told",
    ):
        assert said in text
    assert "next in 5 min" in text
    assert "due now" in text


async def test_filters_choose(desk: Office) -> None:
    a = await desk.owe("a", owner="acme")
    b = await desk.owe("b", owner="bolt", endpoint="https://bolt.example/in?token=t")
    c = await desk.owe(
        "c", owner="acme", channel="mail", target_id=None, idempotency_key="c", url="x@y.example"
    )
    d = await desk.ended(State.DEAD, "d", owner="acme")

    async def found(query: str) -> list[str]:
        return ids(await desk.operator.get(f"/deliveries{query}"))

    assert await found("") == [d, c, b, a]
    assert await found("?owner=acme") == [d, c, a]
    assert await found("?key=b") == [b]
    assert await found("?key=c") == [c]
    assert await found("?channel=mail") == [c]
    assert await found("?state=dead") == [d]
    assert await found("?state=pending&owner=acme&channel=http") == [a]
    assert await found(f"?endpoint={b}") == [b]
    assert await found("?endpoint=msg_gone") == []
    assert await found("?owner=nobody") == []


async def test_leaves_lead_to_each_other(desk: Office) -> None:
    made = [await desk.owe(f"k{number}") for number in range(2 * ON_A_LEAF + 10)][::-1]

    async def turn(leaf: httpx.Response, which: str) -> httpx.Response:
        [query] = re.findall(rf'rel="{which}" href="/console/deliveries([^"]*)"', leaf.text)
        page = await desk.operator.get(f"/deliveries{query.replace('&amp;', '&')}")
        assert isinstance(page, httpx.Response)
        return page

    first = await desk.operator.get("/deliveries?state=pending")
    second = await turn(first, "next")
    third = await turn(second, "next")
    leaves = [made[:ON_A_LEAF], made[ON_A_LEAF : 2 * ON_A_LEAF], made[2 * ON_A_LEAF :]]
    assert [ids(first), ids(second), ids(third)] == leaves
    assert 'rel="prev"' not in first.text
    assert 'rel="next"' not in third.text
    back = await turn(third, "prev")
    assert ids(back) == leaves[1]
    assert ids(await turn(back, "prev")) == leaves[0]


async def test_a_known_id_leads_to_its_page(desk: Office, words: Words) -> None:
    id_ = await desk.owe()
    answer = await desk.operator.get(f"/deliveries?id=%20{id_}%20")
    assert answer.headers["location"] == f"/console/deliveries/{id_}"
    unknown = await desk.operator.get("/deliveries?id=msg_nope%E2%80%AE")
    assert unknown.status_code == 200
    assert "No delivery has the id msg_nope U+202E" in words(unknown)


async def test_a_query_that_makes_no_sense_breaks_nothing(desk: Office) -> None:
    await desk.owe()
    for query in (
        *(
            "state=nonsense",
            "before=abc",
            "before=-1",
            f"after={'9' * 40}",
            "before=²",
            "channel=%00",
            "owner=%00a",
        ),
        *(
            "key=%ff%fe",
            f"key={'x' * 3000}",
            "endpoint=²",
            f"endpoint={'9' * 40}",
            "id=%00",
            "id=' OR 1=1 --",
        ),
        *("before=1&after=1", "state=dead&state=pending", "key=%F0%9F%A4%A1", "key=%ED%A0%80"),
    ):
        assert (await desk.operator.get(f"/deliveries?{query}")).status_code == 200, query


async def test_an_empty_list_says_why(desk: Office, words: Words) -> None:
    assert "Nothing has been sent yet" in words(await desk.operator.get("/deliveries"))
    assert "No delivery matches" in words(await desk.operator.get("/deliveries?state=dead"))


# --- one delivery ------------------------------------------------------------------------------------------


async def test_a_delivery_tells_its_request_and_every_attempt(desk: Office, words: Words) -> None:
    id_ = await desk.owe(owner="acme")
    await desk.attempt(
        id_,
        State.PENDING,
        verdict="answered 500",
        status_code=500,
        response="<b>oops</b>",
        duration=1.5,
        delay=5.0,
    )
    desk.clock.advance(5)
    await desk.attempt(
        id_,
        verdict="answered 200, not as documented",
        breach="$.ok is missing",
        status_code=200,
        response='{"received": 10000000000000000000000, "nested": {"a": []}}',
    )
    page = await desk.operator.get(f"/deliveries/{id_}")
    text = words(page)
    for said in (
        *("invoice_notification of 2expen51ve", "Delivered: it arrived", "create_invoice", "w:1:abc", "acme"),
        *("Attempt 1", "Answered 500", "took 1.5 s", "<b>oops</b>"),
        *("Attempt 2", "5 s after the one before", "Not as documented: $.ok is missing"),
        *("POST /events/invoices/2expen51ve HTTP/1.1", "Host: api.example", "content-type: application/json"),
        *(
            f"webhook-id: {id_}",
            "webhook-signature: •••",
            '"description" : "Payment celebration"',
            "49 bytes",
        ),
        *('"received" : 10000000000000000000000',),
    ):
        assert said in text, said
    assert text.index("Attempt 2") < text.index("Attempt 1")


async def test_a_delivery_tells_what_comes_next(desk: Office, words: Words) -> None:
    retried = await desk.ended(State.PENDING)
    first = await desk.owe(sequence=1, target_id=77)
    second = await desk.owe(sequence=2, target_id=77)
    claims = desk.ringback._store.claims

    def wait(connection: Any) -> None:
        found = claims.candidates(connection, claims.destinations(connection, after="", limit=9), 9)
        claims.put_behind(connection, {one.id: one.predecessor for one in found if one.predecessor})

    await desk.do(wait)
    assert "Next attempt in 5 min" in words(await desk.operator.get(f"/deliveries/{retried}"))
    assert "Due now" in words(await desk.operator.get(f"/deliveries/{first}"))
    waiting = await desk.operator.get(f"/deliveries/{second}")
    assert f"{first} goes first" in words(waiting)
    await desk.attempt(first, None)
    assert "Under way" in words(await desk.operator.get(f"/deliveries/{first}"))


async def test_t41_no_page_shows_what_lets_somebody_in(desk: Office) -> None:
    secrets = ["s3cr3t-in-url", "s3cr3t-in-header", "whsec_s3cr3tInAnswer", "s3cr3t-in-body"]
    id_ = await desk.owe(
        url="https://api.example/events/x?token=s3cr3t-in-url&s3cr3t-in-url",
        endpoint="https://api.example/events?token=s3cr3t-in-url",
        headers=[["x-api-key", "s3cr3t-in-header"], ["x-plain", "plain"]],
        body=b'{"back": "https://shop.example/?key=s3cr3t-in-body"}',
    )
    answer = "whsec_s3cr3tInAnswer Bearer s3cr3t-in-header http:\\/\\/a.example\\/?t=s3cr3t-in-url"
    await desk.attempt(
        id_, State.DEAD, verdict="see https://a.example/?a=s3cr3t-in-url", response=answer, counts=-1
    )
    pages = [f"/deliveries/{id_}", f"/deliveries/{id_}/replay", "/deliveries", f"/deliveries?endpoint={id_}"]
    pages += ["/endpoints", f"/endpoints/{id_}/disable", "/endpoints/1/disable"]
    for path in pages:
        page = await desk.operator.get(path)
        assert page.status_code == 200, path
        assert not [secret for secret in secrets if secret in page.text], path
    whole = (await desk.operator.get(f"/deliveries/{id_}")).text
    assert "?token=•••&amp;•••" in whole
    assert "plain" in whole


# --- replay and cancel -------------------------------------------------------------------------------------


async def test_a_finished_delivery_is_replayed(desk: Office, words: Words) -> None:
    id_ = await desk.ended(State.DEAD)
    page = await desk.operator.get(f"/deliveries/{id_}/replay")
    assert page.status_code == 200
    assert f"under the same id {id_}" in words(page)
    assert "The schedule begins anew. Up to 10 attempts" in words(page)
    answer = await desk.operator.submit(f"/deliveries/{id_}/replay")
    assert answer.headers["location"] == f"/console/deliveries/{id_}?done=replay"
    assert await desk.state(id_) == "pending"
    assert "It is sent again." in words(await desk.operator.get(f"/deliveries/{id_}?done=replay"))


async def test_a_cancelled_delivery_ends_and_can_be_replayed(desk: Office, words: Words) -> None:
    id_ = await desk.ended(State.PENDING)
    assert "The 1 attempt that was made may have reached it" in words(
        await desk.operator.get(f"/deliveries/{id_}/cancel")
    )
    answer = await desk.operator.submit(f"/deliveries/{id_}/cancel")
    assert answer.headers["location"] == f"/console/deliveries/{id_}?done=cancel"
    assert await desk.state(id_) == "cancelled"
    assert "Cancelled by somebody" in words(await desk.operator.get(f"/deliveries/{id_}"))
    await desk.operator.submit(f"/deliveries/{id_}/replay")
    assert await desk.state(id_) == "pending"


async def test_what_is_too_late_changes_nothing(desk: Office, words: Words) -> None:
    token = await desk.operator.token("/deliveries")
    for state, what, reason in (
        (State.PENDING, "replay", "this delivery is pending, so it has not ended yet"),
        (State.DEAD, "cancel", "this delivery is dead"),
        (None, "cancel", "An attempt is under way"),
        (None, "replay", "this delivery is sending"),
    ):
        id_ = await desk.owe()
        await desk.attempt(id_, state)
        before = await desk.everything()
        asked = await desk.operator.get(f"/deliveries/{id_}/{what}")
        pressed = await desk.operator.post(f"/deliveries/{id_}/{what}", token=token)
        assert (asked.status_code, pressed.status_code) == (409, 409)
        assert reason in words(asked)
        assert reason in words(pressed)
        assert await desk.everything() == before


async def test_links_carry_keys_whole(desk: Office) -> None:
    key = "a/b?c=d&e #%<ü>"
    id_ = await desk.owe(key, url="https://api.example/x")
    page = await desk.operator.get(f"/deliveries/{id_}")
    [link] = re.findall(r'href="/console(/deliveries\?key=[^"]*)"', page.text)
    assert ids(await desk.operator.get(link)) == [id_]


# --- the request as a command ------------------------------------------------------------------------------


async def test_the_command_sends_what_an_attempt_sends(desk: Office, tmp_path: Path) -> None:
    with LocalReceiver() as receiver:
        body = '{"description":"It\'s paid — $HOME `id` \\\\n","paid":true}'.encode()
        id_ = await desk.owe(url=f"{receiver.url}/invoices/x", owner="acme", body=body)
        async with desk.ringback.transaction() as session:
            secret = await desk.ringback.signing_secret(session, owner="acme")
        page = await desk.operator.get(f"/deliveries/{id_}/curl")
        [command] = re.findall(r'<code id="command">(.*?)</code>', page.text, re.DOTALL)
        script = tmp_path / "send.sh"
        script.write_text(unescape(command), encoding="utf-8")
        ran = await asyncio.create_subprocess_exec(
            "sh", script, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
        assert await ran.wait() == 0
        [received] = receiver.requests
    assert received.body == body
    assert received.id == id_
    signature = sign([secret], id_, int(received.headers["webhook-timestamp"]), body)
    assert received.headers["webhook-signature"] == signature


async def test_no_command_shows_what_the_console_keeps_back(desk: Office, words: Words) -> None:
    secret = await desk.owe("a", body=b'{"link":"https://pay.example/?token=abc"}')
    text = words(await desk.operator.get(f"/deliveries/{secret}/curl"))
    assert "Its body holds what the console does not show" in text
    masked = await desk.owe("b", url="https://api.example/?token=abc", headers=[["x-api-key", "abc"]])
    text = words(await desk.operator.get(f"/deliveries/{masked}/curl"))
    assert "token=abc" not in text
    assert "x-api-key: •••" in text
    assert "put it in before you run it" in text
    mail = await desk.owe("c", channel="mail", url="x@y.example")
    assert (await desk.operator.get(f"/deliveries/{mail}/curl")).status_code == 404
