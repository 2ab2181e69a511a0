"""Kept connections: used again where that is safe, and never where it is not."""

import asyncio
import os
import socket
from typing import Any

import pytest

from ringback._transport import Failure, FailureReason, Limits

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def answer(peer: Any) -> None:
    while True:
        await peer.request()
        await peer.send(OK)


async def until(condition: Any) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


async def test_one_connection_serves_one_request_after_another(
    listen: Any, open_transport: Any, post: Any
) -> None:
    receiver, transport = await listen(answer), open_transport()
    for _ in range(50):
        await transport.send(post(receiver.url()))
    assert (receiver.connections, len(receiver.requests)) == (1, 50)


async def test_requests_at_one_time_have_a_connection_each(
    listen: Any, open_transport: Any, post: Any
) -> None:
    receiver, transport = await listen(answer), open_transport()
    for _ in range(3):
        responses = await asyncio.gather(*(transport.send(post(receiver.url())) for _ in range(20)))
        assert {response.status_code for response in responses} == {200}
    assert receiver.connections == 20


async def test_owners_never_share_a_connection(listen: Any, open_transport: Any, post: Any) -> None:
    receiver, transport = await listen(answer), open_transport()
    for owner in ("anna", "bert", "anna", "bert"):
        await transport.send(post(receiver.url()), reuse=owner)
    assert receiver.connections == 2


async def test_names_never_share_a_connection_even_at_one_address(
    listen: Any, open_transport: Any, post: Any, names: Any
) -> None:
    receiver = await listen(answer)
    transport = open_transport(names=names(one_example_com="127.0.0.1", two_example_com="127.0.0.1"))
    for host in ("one.example.com", "two.example.com", "one.example.com"):
        await transport.send(post(receiver.url(host=host)))
    assert receiver.connections == 2


async def test_a_name_is_judged_again_for_a_kept_connection(
    listen: Any, open_transport: Any, post: Any, names: Any
) -> None:
    receiver = await listen(answer)
    known = names(moving_example_com="127.0.0.1")
    transport = open_transport(names=known)
    await transport.send(post(receiver.url(host="moving.example.com")))
    known.answers["moving.example.com"] = ["169.254.169.254"]
    with pytest.raises(Failure) as caught:
        await transport.send(post(receiver.url(host="moving.example.com")))
    assert caught.value.reason == FailureReason.BLOCKED
    assert len(receiver.requests) == 1


async def test_a_connection_to_an_address_that_the_name_has_left_is_not_used(
    listen: Any, open_transport: Any, post: Any, names: Any
) -> None:
    receiver = await listen(answer)
    known = names(moving_example_com="127.0.0.1")
    transport = open_transport(names=known)
    await transport.send(post(receiver.url(host="moving.example.com")))
    known.answers["moving.example.com"] = ["127.0.0.2"]
    with pytest.raises(Failure) as caught:
        await transport.send(post(receiver.url(host="moving.example.com")))
    assert caught.value.reason == FailureReason.CONNECT_REFUSED


@pytest.mark.parametrize(
    "odd",
    [
        OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
        OK + b"junk",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok",
    ],
)
async def test_a_connection_with_anything_odd_is_not_used_again(
    listen: Any, open_transport: Any, post: Any, odd: bytes
) -> None:
    async def script(peer: Any) -> None:
        await peer.request()
        await peer.send(odd)
        await peer.end()

    receiver, transport = await listen(script), open_transport()
    for _ in range(2):
        assert (await transport.send(post(receiver.url()))).body in {b"ok", b""}
    assert receiver.connections == 2


async def test_a_second_answer_that_comes_late_is_never_read_as_the_next_one(
    listen: Any, open_transport: Any, post: Any
) -> None:
    late = asyncio.Event()

    async def script(peer: Any) -> None:
        await peer.request()
        await peer.send(OK)
        await late.wait()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        await peer.end()

    receiver, transport = await listen(script), open_transport()
    await transport.send(post(receiver.url()))
    late.set()
    await until(lambda: not transport._open)
    assert (await transport.send(post(receiver.url()))).body == b"ok"
    assert receiver.connections == 2


async def test_bytes_that_the_loop_has_not_seen_yet_are_seen_before_a_connection_is_used(
    listen: Any, open_transport: Any, post: Any
) -> None:
    async def script(peer: Any) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.end()

    receiver, transport = await listen(script), open_transport()
    await transport.send(post(receiver.url()))
    [kept] = transport._open
    assert kept.is_fresh()
    with socket.socket(fileno=os.dup(kept._file)) as same:
        same.shutdown(socket.SHUT_RD)  # the end is there to be read, and the loop has not run since
    assert not kept.is_fresh()
    kept.idle_since -= 1
    assert (await transport.send(post(receiver.url()))).status_code == 200
    assert receiver.connections == 2


async def test_a_receiver_that_closed_while_idle_costs_nothing(
    listen: Any, open_transport: Any, post: Any
) -> None:
    async def script(peer: Any) -> None:
        await peer.request()
        await peer.send(OK)

    receiver, transport = await listen(script), open_transport()
    for _ in range(3):
        assert (await transport.send(post(receiver.url()))).status_code == 200
        await until(lambda: not transport._open)
    assert receiver.connections == 3


async def test_a_request_that_a_kept_connection_lost_is_told_as_sent_and_not_sent_again(
    listen: Any, open_transport: Any, post: Any
) -> None:
    async def script(peer: Any) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.request()
        peer.reset()

    receiver, transport = await listen(script), open_transport()
    await transport.send(post(receiver.url()))
    with pytest.raises(Failure) as caught:
        await transport.send(post(receiver.url()))
    assert (caught.value.reason, caught.value.sent) == (FailureReason.RESET, True)
    assert len(receiver.requests) == 2


async def test_an_idle_connection_is_closed_after_its_time(
    listen: Any, open_transport: Any, post: Any
) -> None:
    ended = asyncio.Event()

    async def script(peer: Any) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.end()
        ended.set()

    receiver, transport = await listen(script), open_transport(limits=Limits(idle=0.1))
    await transport.send(post(receiver.url()))
    async with asyncio.timeout(5):
        await ended.wait()
    await until(lambda: not transport._open)


async def test_few_connections_wait_for_one_place_and_in_all(
    listen: Any, open_transport: Any, post: Any
) -> None:
    receivers = [await listen(answer) for _ in range(3)]
    transport = open_transport(limits=Limits(idle_per_place=2, idle_total=3))
    for receiver in receivers:
        await asyncio.gather(*(transport.send(post(receiver.url())) for _ in range(5)))
        await until(lambda: len(transport._open) <= 3)
    assert len(transport._open) == 3


@pytest.mark.parametrize("steps", range(12))
async def test_a_request_that_is_cut_off_at_any_step_leaves_no_connection(
    steps: int, listen: Any, open_transport: Any, post: Any
) -> None:
    receiver, transport = await listen(answer), open_transport()
    sending = asyncio.ensure_future(transport.send(post(receiver.url())))
    for _ in range(steps):
        await asyncio.sleep(0)
    sending.cancel()
    await asyncio.wait([sending])
    await asyncio.sleep(0.01)
    assert all(not connection.closed for connection in transport._open)
    assert sending.cancelled() == (not transport._open)


async def test_what_is_cut_off_while_it_connects_is_forgotten(
    listen: Any, open_transport: Any, post: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """uvloop reports neither that loss nor an abort after it: a transport waited for it for ever."""

    class Silent(asyncio.Transport):
        def get_extra_info(self, _name: str, default: Any = None) -> Any:
            return unused

        def abort(self) -> None:
            """As uvloop's, once its handle is closed: nobody is told."""

    async def cut_off(make: Any, *_place: Any) -> Any:
        make().connection_made(Silent())
        raise asyncio.CancelledError

    receiver, transport = await listen(answer), open_transport()
    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", cut_off)
    with socket.socket() as unused, pytest.raises(asyncio.CancelledError):
        await transport.send(post(receiver.url()))
    assert not transport._open
    async with asyncio.timeout(0.5):
        await transport.close()
