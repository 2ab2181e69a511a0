"""What comes over the wire is one whole request, or it is refused."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringback.kit._wire import Incoming, Limits, encode_answer, serve
from ringback.kit.listen import open_port

SMALL = Limits(head=2000, body=100, seconds=0.3, idle=5.0)
REQUEST = b"POST /a?b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"POST /a?b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nA: b\r\n\r\n"
)


async def exchange(*parts: bytes, limits: Limits = SMALL) -> tuple[list[Incoming], bytes]:
    """Send these bytes to a server that answers 200, and read to the end."""
    taken: list[Incoming] = []

    async def handle(incoming: Incoming, _reader: Any, writer: asyncio.StreamWriter) -> None:
        taken.append(incoming)
        writer.write(encode_answer(200, [], incoming.body))

    closing, started = asyncio.Event(), asyncio.Event()
    with open_port("127.0.0.1", 0) as port:
        serving = asyncio.create_task(serve(port, handle, closing, limits=limits, started=started.set))
        await started.wait()
        reader, writer = await asyncio.open_connection(*port.getsockname())
        for part in parts:
            writer.write(part)
            await writer.drain()
        if limits.seconds > 1 or taken:
            writer.write_eof()
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        closing.set()
        await serving
    return taken, answer


CLOSING = REQUEST.replace(b"Host: x", b"Host: x\r\nConnection: close")


@pytest.mark.parametrize("request_", [CLOSING, CHUNKED.replace(b"Host: x", b"Host: x\r\nConnection: close")])
async def test_a_body_is_read_whole_in_either_framing(request_: bytes) -> None:
    [incoming], answer = await exchange(request_)
    assert (incoming.method, incoming.target, incoming.body) == ("POST", "/a?b", b"hello")
    assert incoming.raw == request_
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


async def test_requests_follow_each_other_on_one_connection() -> None:
    taken, answer = await exchange(REQUEST + CHUNKED + CLOSING)
    assert [incoming.body for incoming in taken] == [b"hello"] * 3
    assert answer.count(b"HTTP/1.1 200 OK") == 3


async def test_whoever_asks_first_is_told_to_go_on() -> None:
    expecting = CLOSING.replace(b"Host: x", b"Host: x\r\nExpect: 100-continue")
    _, answer = await exchange(expecting)
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ([b"POST / HTTP/1.1\r\nContent-Length: 101\r\n\r\n" + b"x" * 101], b"413"),
        (
            [b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n60\r\n" + b"x" * 96 + b"\r\n60\r\n"],
            b"413",
        ),
        ([b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"], b"400"),
        ([b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n"], b"400"),
        ([b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"], b"400"),
        ([b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"], b"400"),
        ([b"GET / HTTP/1.1\r\nA: " + b"x" * 3000 + b"\r\n\r\n"], b"431"),
        ([b"GET / HTTP/1.1\r\n" + b"A: x\r\n" * 100_000], b"431"),
        ([b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"], b"400"),
        ([b"SSH-2.0-OpenSSH\r\n\r\n"], b"400"),
        ([b"\x16\x03\x01\x02\x00\r\n\r\n"], b"400"),
        ([b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"], b"501"),
        ([b"GET / HTTP/1.1\r\nHost: x\r\n"], b"408"),
        ([b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhe"], b"408"),
    ],
    ids=lambda value: value.decode() if isinstance(value, bytes) else "",
)
async def test_what_is_no_request_or_too_much_is_refused_and_the_connection_ends(
    parts: list[bytes], status: bytes
) -> None:
    taken, answer = await exchange(*parts)
    assert taken == []
    assert answer.split(b" ")[:2] == [b"HTTP/1.1", status]
    assert b"connection: close" in answer


async def test_a_client_that_says_nothing_is_let_go() -> None:
    limits = Limits(idle=0.05)
    closing, started = asyncio.Event(), asyncio.Event()

    async def handle(*_: Any) -> None: ...

    with open_port("127.0.0.1", 0) as port:
        serving = asyncio.create_task(serve(port, handle, closing, limits=limits, started=started.set))
        await started.wait()
        reader, writer = await asyncio.open_connection(*port.getsockname())
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        closing.set()
        await serving


@given(
    st.lists(st.binary(max_size=60) | st.sampled_from([REQUEST, CHUNKED, b"\r\n", b"\r\n\r\n"]), max_size=6)
)
@settings(max_examples=60, deadline=None)
def test_whatever_comes_is_answered_in_http_or_not_at_all(parts: list[bytes]) -> None:
    limits = Limits(head=2000, body=100, seconds=2.0, idle=2.0)
    taken, answer = asyncio.run(exchange(*parts, limits=limits))
    assert answer == b"" or answer.startswith(b"HTTP/1.1 ")
    assert len(taken) <= answer.count(b"HTTP/1.1 200 OK")
