"""The page and its feed: for whoever sits at this machine, and for nobody else."""

import asyncio
import json
import shlex
import subprocess
import time
from typing import Any

import pytest

from ringback._signing import new_message_id, new_secret, sign

PATH = "/events/invoices/2expen51ve"
BODY = b'{"description":"Payment celebration","paid":true}'
JSON = {"content-type": "application/json"}


async def test_the_feed_tells_programs_what_came_and_waits_for_the_next(
    tutorial: dict[str, Any], listening: Any
) -> None:
    async with listening(tutorial) as there:
        assert await there.feed() == {"requests": [], "last": 0}
        waiting = asyncio.create_task(there.feed(wait=30))
        await asyncio.sleep(0)
        await there.client.post(f"{there.url}{PATH}?x=1", content=BODY, headers={**JSON, "X-A": "b"})
        told = await waiting
        [one] = told["requests"]
        assert (told["last"], one["number"], one["method"], one["target"]) == (1, 1, "POST", f"{PATH}?x=1")
        assert (one["callback"], one["right"], one["status"]) == ("invoice_notification", True, 200)
        assert ["x-a", "b"] in one["headers"]
        assert json.loads(one["body"]) == {"description": "Payment celebration", "paid": True}
        assert (await there.feed(after=1)) == {"requests": [], "last": 1}
        await there.client.post(there.url + PATH, content=b"\xff\x00", headers=JSON)
        [two] = (await there.feed(after=1))["requests"]
        assert (two["body"], two["body_base64"], two["right"]) == (None, "/wA=", False)


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "a b", "localhost@x"]
)
async def test_a_page_whose_name_was_rebound_to_this_machine_reads_nothing(
    host: str, tutorial: dict[str, Any], listening: Any
) -> None:
    async with listening(tutorial) as there:
        for path in ("/", "/requests.json", "/events", "/requests/1.json"):
            answer = await there.client.get(there.page + path, headers={"Host": host})
            assert (answer.status_code, "localhost" in answer.text) == (421, True)


@pytest.mark.parametrize("host", ["localhost:1", "LOCALHOST", "127.0.0.1", "[::1]:8002", "192.168.1.5:8002"])
async def test_this_machine_and_addresses_may_read(
    host: str, tutorial: dict[str, Any], listening: Any
) -> None:
    async with listening(tutorial) as there:
        answer = await there.client.get(f"{there.page}/requests.json", headers={"Host": host})
        assert answer.status_code == 200


async def test_every_answer_says_what_a_browser_may_do_with_it(
    tutorial: dict[str, Any], listening: Any
) -> None:
    async with listening(tutorial) as there:
        for path in ("/", "/page.js", "/page.css", "/mark.svg", "/requests.json", "/nothing"):
            answer = await there.client.get(there.page + path)
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["cross-origin-resource-policy"] == "same-origin"
            assert not any(name.startswith("access-control") for name in answer.headers)
        assert (await there.client.post(f"{there.page}/requests.json")).status_code == 405
        assert "<script>" not in (await there.client.get(there.page)).text


async def test_events_come_as_they_happen_and_go_on_after_a_break(
    tutorial: dict[str, Any], listening: Any
) -> None:
    async def read(headers: dict[str, str], count: int) -> list[str]:
        lines: list[str] = []
        async with there.client.stream("GET", f"{there.page}/events", headers=headers) as answer:
            assert answer.headers["content-type"] == "text/event-stream"
            async for line in answer.aiter_lines():
                lines.append(line)
                if sum(one.startswith("id: ") for one in lines) == count and line == "":
                    break
        return lines

    async with listening(tutorial) as there:
        reading = asyncio.create_task(read({}, 2))
        for _ in range(2):
            await there.client.post(there.url + PATH, content=BODY, headers=JSON)
        lines = await reading
        assert json.loads(lines[1].removeprefix("data: "))["resumed"] is False
        first, second = (line.removeprefix("id: ") for line in lines if line.startswith("id: "))
        again = await read({"Last-Event-ID": first}, 1)
        assert json.loads(again[1].removeprefix("data: "))["resumed"] is True
        assert f"id: {second}" in again
        of_another_run = await read({"Last-Event-ID": "00000000-7"}, 2)
        assert f"id: {first}" in of_another_run


async def test_the_command_repeats_the_request_and_is_signed_anew(
    tutorial: dict[str, Any], listening: Any
) -> None:
    secret, now = new_secret(), time.time() - 200
    message_id = new_message_id(PATH)
    body = b'{"description":"it\'s $HOME `id` \\u00e9","paid":true}'
    headers = {
        **JSON,
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now)),
        "webhook-signature": sign([secret], message_id, int(now), body),
    }
    async with listening(tutorial, secrets=[secret]) as there:
        await there.client.post(there.url + PATH, content=body, headers=headers)
        one = (await there.client.get(f"{there.page}/requests/1.json")).json()
        words = shlex.split(one["curl"])
        assert words[0] == "curl"
        done = await asyncio.to_thread(subprocess.run, words, capture_output=True, timeout=30, check=True)
        assert done.stdout.endswith(b'{"ok": true}')
        again = there.last
    assert (again.is_right, again.delivery, again.incoming.body) == (True, 2, body)
    assert dict(again.incoming.headers)["webhook-timestamp"] != headers["webhook-timestamp"]


async def test_the_command_for_a_forgery_stays_a_forgery(tutorial: dict[str, Any], listening: Any) -> None:
    async with listening(tutorial, secrets=[new_secret()]) as there:
        headers = {**JSON, "webhook-id": "m", "webhook-timestamp": "1", "webhook-signature": "v1,forged"}
        await there.client.post(there.url + PATH, content=BODY, headers=headers)
        one = (await there.client.get(f"{there.page}/requests/1.json")).json()
    assert "webhook-signature: v1,forged" in one["curl"]
