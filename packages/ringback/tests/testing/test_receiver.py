"""The local receiver behaves, on the wire, as it was told."""

import asyncio
import json
import time
from collections import Counter
from typing import Any

import pytest

from ringback.kit._behave import Script, UnknownBehaviour, parse_behaviours
from ringback.testing import LocalReceiver

REQUEST = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nwebhook-id: msg_1\r\n\r\n{}"


async def ask(receiver: LocalReceiver, request: bytes = REQUEST) -> bytes:
    """The answer to one request on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(receiver.url.rsplit(":", 1)[1]))
    writer.write(request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
    try:
        return await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()


def parts(answer: bytes) -> tuple[int, dict[str, str], bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    assert int(headers.get("content-length", "0")) == len(body)
    return int(status.split(" ")[1]), headers, body


@pytest.mark.parametrize(
    ("behaviour", "status", "headers", "value"),
    [
        ("ok", 200, {"content-type": "application/json"}, {"ok": True, "items": [{"done": True}, 1]}),
        ("not-ok", 200, {"content-type": "application/json"}, {"ok": False, "items": [{"done": False}, 1]}),
        ("wrong-shape", 200, {"content-type": "application/json"}, [{"unheard": "of"}]),
        ("500", 500, {}, None),
        ("204", 204, {}, None),
        ("410", 410, {}, None),
        ("429:retry-after=30", 429, {"retry-after": "30"}, None),
        ("503:retry-after=Wed, 21 Oct 2026 07:28:00 GMT,x-a=b=c", 503, {"x-a": "b=c"}, None),
        ("redirect", 302, {"location": "/redirected"}, None),
    ],
)
async def test_what_is_answered_is_what_was_named(
    behaviour: str, status: int, headers: dict[str, str], value: Any, ringback_receivers: Any
) -> None:
    receiver = ringback_receivers(behaviour, answer={"ok": True, "items": [{"done": True}, 1]})
    found, given, body = parts(await ask(receiver))
    assert found == status
    assert headers.items() <= given.items()
    assert (json.loads(body) if body else None) == value
    [one] = receiver.requests
    assert (one.method, one.target, one.id, one.json(), one.behaviour) == (
        "POST",
        "/a",
        "msg_1",
        {},
        behaviour,
    )


async def test_a_connection_is_reset_left_hanging_or_fed_byte_by_byte(ringback_receivers: Any) -> None:
    receiver = ringback_receivers("reset", "hang", "drip")
    with pytest.raises(ConnectionResetError):
        await ask(receiver)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await ask(receiver)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(receiver.url.rsplit(":", 1)[1]))
    writer.write(REQUEST)
    started = time.monotonic()
    assert await reader.readexactly(4) == b"HTTP"
    assert time.monotonic() - started > 0.1
    writer.close()


async def test_behaviours_come_in_turn_and_the_last_one_stays_for_each_path(ringback_receivers: Any) -> None:
    receiver = ringback_receivers("500", "ok")
    receiver.behave("410", path="/gone")
    statuses = [parts(await ask(receiver))[0] for _ in range(3)]
    gone = parts(await ask(receiver, REQUEST.replace(b"/a", b"/gone/x")))[0]
    assert (statuses, gone) == ([500, 200, 200], 410)


def test_chance_repeats_itself_with_a_seed_and_what_is_named_twice_comes_twice_as_often() -> None:
    def drawn(seed: int) -> list[str]:
        script = Script(["ok", "ok", "500"], seed=seed)
        return [script.next().text for _ in range(3000)]

    assert drawn(7) == drawn(7)
    assert drawn(7) != drawn(8)
    assert 1800 < Counter(drawn(7))["ok"] < 2200


@pytest.mark.parametrize(
    "text",
    ["", "okay", "99", "600", "1000", "500:", "500:retry-after", "500:=1", "500:a b=1", "500:a=\rb", "5xx"],
)
def test_what_is_no_behaviour_is_refused_with_those_that_are(text: str) -> None:
    with pytest.raises(UnknownBehaviour, match="wrong-shape") as refused:
        LocalReceiver(text)
    assert isinstance(refused.value, ValueError)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (["500,429:retry-after=30,ok"], ["500", "429:retry-after=30", "ok"]),
        (["500 ok", "hang"], ["500", "ok", "hang"]),
        (["429:a=1,b=2,ok"], ["429:a=1,b=2", "ok"]),
        (["429:a=1, 503:a=2"], ["429:a=1", "503:a=2"]),
        ([" ok , , ok "], ["ok", "ok"]),
    ],
)
def test_several_may_stand_in_one_text(written: list[str], meant: list[str]) -> None:
    assert parse_behaviours(written) == meant
