"""Receivers that are slow, endless or never answer: time and memory stay within bounds."""

import asyncio
import gc
import resource
import time
from collections.abc import Callable
from typing import Any

import pytest

from ringback._transport import Failure, FailureReason, Limits

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n"
ANSWER = OK + b'{"ok":true}'


async def answer(peer: Any) -> None:
    """An honest receiver: reads requests and acknowledges each."""
    while True:
        await peer.request()
        await peer.send(ANSWER)


def scripted(*parts: bytes, then: str = "end") -> Callable[[Any], Any]:
    """A receiver that reads the request, sends `parts`, and then waits, closes or resets."""

    async def script(peer: Any) -> None:
        await peer.request()
        for part in parts:
            await peer.send(part)
        if then == "end":
            await peer.end()
        elif then == "reset":
            peer.reset()

    return script


async def failure_of(sending: Any) -> Failure:
    with pytest.raises(Failure) as caught:
        await sending
    return caught.value


# ---- time ------------------------------------------------------------------------------------------------


async def drip_head(peer: Any) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\n")
    while True:
        await peer.send(b"X-A: b\r\n")
        await asyncio.sleep(0.05)


async def endless_interim(peer: Any) -> None:
    await peer.request()
    while True:
        await peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        await asyncio.sleep(0.05)


async def never_reads(peer: Any) -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("script", [scripted(), drip_head, never_reads, endless_interim])
@pytest.mark.parametrize("size", [14, 5_000_000])
async def test_one_deadline_ends_every_way_of_not_answering(
    listen: Any, open_transport: Any, post: Any, script: Any, size: int
) -> None:
    receiver = await listen(script)
    transport = open_transport(limits=Limits(interim=10_000, fields=10_000))
    started = time.monotonic()
    failure = await failure_of(transport.send(post(receiver.url(), b"x" * size), timeout=0.3))
    assert 0.25 < time.monotonic() - started < 1.5
    assert (failure.reason, failure.sent) == (FailureReason.TIMEOUT, True)


async def test_a_dripped_body_ends_at_the_deadline_and_the_status_stands(
    listen: Any, open_transport: Any, post: Any
) -> None:
    async def drip(peer: Any) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
        while True:
            await peer.send(b"x")
            await asyncio.sleep(0.02)

    receiver = await listen(drip)
    response = await open_transport().send(post(receiver.url()), timeout=0.3)
    assert response.status_code == 200
    assert response.body.startswith(b"x")
    assert "deadline" in (response.body_error or "")


async def test_one_slow_receiver_delays_no_other_and_a_later_deadline_still_fires(
    listen: Any, open_transport: Any, post: Any
) -> None:
    slow, quick, transport = await listen(scripted()), await listen(answer), open_transport()
    hanging = [
        asyncio.ensure_future(failure_of(transport.send(post(slow.url()), timeout=t)))
        for t in (0.6, 0.2, 0.4)
    ]
    started = time.monotonic()
    for _ in range(200):
        assert (await transport.send(post(quick.url()))).status_code == 200
    assert time.monotonic() - started < 1.0
    assert {(await task).reason for task in hanging} == {FailureReason.TIMEOUT}
    assert 0.55 < time.monotonic() - started < 1.5


async def test_a_cancelled_request_drops_its_connection(listen: Any, open_transport: Any, post: Any) -> None:
    arrived, ended = asyncio.Event(), asyncio.Event()

    async def script(peer: Any) -> None:
        await peer.request()
        arrived.set()
        await peer.end()
        ended.set()

    receiver, transport = await listen(script), open_transport()
    task = asyncio.ensure_future(transport.send(post(receiver.url())))
    await arrived.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(5):
        await ended.wait()


# ---- size ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "block"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n", b"x" * 65536),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"x" * 65536 + b"\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 10000),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x" * 65536),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"T: 1\r\n" * 10000),
        (
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1073741824\r\n\r\n",
            b"\x1f\x8b" * 32768,
        ),
    ],
)
async def test_an_endless_body_is_cut_in_little_memory_and_the_status_stands(
    listen: Any, open_transport: Any, post: Any, head: bytes, block: bytes
) -> None:
    async def flood(peer: Any) -> None:
        await peer.request()
        await peer.send(head)
        while True:
            await peer.send(block)

    receiver = await listen(flood)
    gc.collect()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    response = await open_transport().send(post(receiver.url()), timeout=10)
    assert response.status_code == 200
    assert response.body_error is not None
    assert len(response.body) <= 64 * 1024
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # KiB


@pytest.mark.parametrize(
    ("endless", "reason"),
    [
        (b"X-A: b\r\n" * 1000, FailureReason.HEAD_TOO_LARGE),
        (b"x" * 65536, FailureReason.HEAD_TOO_LARGE),
        (b"A: 1\r\n" * 200 + b"\r\n", FailureReason.TOO_MANY_FIELDS),
        (b"\r\nHTTP/1.1 103 Early Hints\r\n", FailureReason.TOO_MANY_INTERIM),
    ],
)
async def test_a_head_without_end_has_a_named_reason(
    listen: Any, open_transport: Any, post: Any, endless: bytes, reason: FailureReason
) -> None:
    async def flood(peer: Any) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n" if b"103" not in endless else b"HTTP/1.1 103 Early\r\n")
        while True:
            await peer.send(endless)

    receiver = await listen(flood)
    failure = await failure_of(open_transport().send(post(receiver.url()), timeout=10))
    assert (failure.reason, failure.sent) == (reason, True)
