"""One request against real sockets: what receivers may do, and what an operator is told."""

import asyncio
import contextlib
import resource
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ringback._guard import NetworkPolicy
from ringback._transport import Failure, FailureReason, Limits, Response

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


@contextlib.contextmanager
def full_backlog(address: str, port: int) -> Iterator[int]:
    """A port on which the kernel answers no further connection: as good as filtered."""
    with contextlib.ExitStack() as sockets:
        listener = sockets.enter_context(socket.create_server((address, port), backlog=0))
        place = listener.getsockname()
        for _ in range(3):
            filler = sockets.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(place)
        yield place[1]


async def failure_of(sending: Any) -> Failure:
    with pytest.raises(Failure) as caught:
        await sending
    return caught.value


async def test_a_request_arrives_as_it_was_written_and_its_answer_comes_back(
    listen: Any, open_transport: Any, post: Any
) -> None:
    receiver = await listen(answer)
    url = receiver.url("/events/invoices/2expen51ve?tenant=7&sig=a%2Bb")
    response = await open_transport().send(post(url, b'{"paid": true}', webhook_id="msg_1"))
    assert response == Response(
        200,
        (("content-type", "application/json"), ("content-length", "11")),
        b'{"ok":true}',
        None,
        "127.0.0.1",
    )
    assert receiver.requests == [
        b"POST /events/invoices/2expen51ve?tenant=7&sig=a%2Bb HTTP/1.1\r\n"
        + f"Host: 127.0.0.1:{receiver.port}\r\n".encode()
        + b"Accept-Encoding: identity\r\nContent-Length: 14\r\ncontent-type: application/json\r\n"
        b'webhook-id: msg_1\r\n\r\n{"paid": true}'
    ]


async def test_a_name_that_only_the_hosts_file_knows_is_called(
    listen: Any, open_transport: Any, post: Any
) -> None:
    receiver = await listen(answer)
    response = await open_transport().send(post(receiver.url(host="localhost")))
    assert (response.status_code, response.remote_address) == (200, "127.0.0.1")
    assert f"Host: localhost:{receiver.port}".encode() in receiver.requests[0]


@pytest.mark.parametrize(
    "status", [201, 204, 301, 302, 303, 307, 308, 400, 401, 403, 404, 410, 422, 429, 500, 503]
)
async def test_every_status_comes_back_as_it_is_and_redirects_are_not_followed(
    listen: Any, open_transport: Any, post: Any, status: int
) -> None:
    elsewhere = await listen(answer)
    told = (
        f"Location: {elsewhere.url()}\r\nRefresh: 0; url={elsewhere.url()}\r\nRetry-After: 120\r\n".encode()
    )
    receiver = await listen(scripted(b"HTTP/1.1 %d X\r\n" % status + told + b"Content-Length: 0\r\n\r\n"))
    response = await open_transport().send(post(receiver.url()))
    assert response.status_code == status
    assert ("retry-after", "120") in response.headers
    assert elsewhere.connections == 0


async def test_cookies_are_not_carried(listen: Any, open_transport: Any, post: Any) -> None:
    async def baker(peer: Any) -> None:
        while True:
            await peer.request()
            await peer.send(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 0\r\n\r\n")

    receiver, transport = await listen(baker), open_transport()
    for _ in range(2):
        await transport.send(post(receiver.url()))
    assert b"cookie" not in receiver.requests[1].lower()


async def test_the_environment_changes_nothing(
    listen: Any, open_transport: Any, post: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login me password secret\n")
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("NETRC", str(netrc))
    receiver = await listen(answer)
    assert (await open_transport().send(post(receiver.url()))).status_code == 200
    assert b"authorization" not in receiver.requests[0].lower()


async def test_a_long_body_is_written_with_backpressure_to_a_slow_reader(
    listen: Any, open_transport: Any, post: Any
) -> None:
    async def slow(peer: Any) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        for _ in range(5000):
            await asyncio.sleep(0)
            await peer.reader.readexactly(1000)
        await peer.send(ANSWER)
        await peer.end()

    receiver = await listen(slow)
    response = await open_transport().send(post(receiver.url(), b"x" * 5_000_000))
    assert (response.status_code, response.body_error) == (200, None)


async def test_an_answer_before_the_body_is_written_counts_and_costs_the_connection(
    listen: Any, open_transport: Any, post: Any
) -> None:
    async def hasty(peer: Any) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await peer.end()

    receiver, transport = await listen(hasty), open_transport()
    for _ in range(2):
        assert (await transport.send(post(receiver.url(), b"x" * 20_000_000))).status_code == 413
    assert receiver.connections == 2


# ---- broken connections ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "then", "reason"),
    [
        (b"", "close", FailureReason.RESET),
        (b"", "reset", FailureReason.RESET),
        (b"HTTP/1.1 200 OK\r\nContent-", "close", FailureReason.RESET),
        (b"HTTP/1.1 200 OK\r\nContent-", "reset", FailureReason.RESET),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "end", FailureReason.PROTOCOL_ERROR),
        (b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", "end", FailureReason.PROTOCOL_ERROR),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "end", FailureReason.PROTOCOL_ERROR),
    ],
)
async def test_without_a_whole_head_there_is_a_named_failure_that_may_have_been_sent(
    listen: Any, open_transport: Any, post: Any, sent: bytes, then: str, reason: FailureReason
) -> None:
    receiver = await listen(scripted(sent, then=then))
    failure = await failure_of(open_transport().send(post(receiver.url())))
    assert (failure.reason, failure.sent) == (reason, True)


@pytest.mark.parametrize("then", ["close", "reset"])
async def test_after_a_whole_head_a_broken_body_is_noted_and_the_status_stands(
    listen: Any, open_transport: Any, post: Any, then: str
) -> None:
    sent = asyncio.Event()

    async def script(peer: Any) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok")
        sent.set()
        if then == "reset":
            while peer.reader._transport.get_write_buffer_size():
                await asyncio.sleep(0)
            peer.reset()

    receiver = await listen(script)
    response = await open_transport().send(post(receiver.url()))
    assert response.status_code == 200
    assert response.body_error is not None


async def test_a_closed_port_is_told_as_refused_and_not_as_sent(open_transport: Any, post: Any) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        failure = await failure_of(open_transport().send(post(f"http://127.0.0.1:{port}/")))
    assert (failure.reason, failure.sent) == (FailureReason.CONNECT_REFUSED, False)
    assert str(port) in failure.detail


async def test_a_host_that_does_not_answer_is_told_as_such(open_transport: Any, post: Any) -> None:
    with full_backlog("127.0.0.1", 0) as port:
        transport = open_transport(limits=Limits(connect=0.2))
        failure = await failure_of(transport.send(post(f"http://127.0.0.1:{port}/")))
    assert (failure.reason, failure.sent) == (FailureReason.CONNECT_TIMEOUT, False)


async def test_the_total_deadline_ends_a_connect_too(open_transport: Any, post: Any) -> None:
    with full_backlog("127.0.0.1", 0) as port:
        failure = await failure_of(open_transport().send(post(f"http://127.0.0.1:{port}/"), timeout=0.2))
    assert (failure.reason, failure.sent) == (FailureReason.TIMEOUT, False)


async def test_an_address_without_a_route_is_told_as_unreachable(open_transport: Any, post: Any) -> None:
    failure = await failure_of(
        open_transport().send(post("http://127.255.255.255:9/"))
    )  # a broadcast address
    assert (failure.reason, failure.sent) == (FailureReason.UNREACHABLE, False)


async def test_this_machine_is_not_called_by_an_address_that_looks_public(
    listen: Any, open_transport: Any, post: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver = await listen(answer)
    monkeypatch.setattr("ringback._guard.judge_address", lambda _: None)
    monkeypatch.setattr(NetworkPolicy, "_check_public", lambda *_: None)
    failure = await failure_of(open_transport(allow_networks=[]).send(post(receiver.url())))
    assert (failure.reason, failure.sent) == (FailureReason.BLOCKED, False)
    assert "this machine" in failure.detail
    assert receiver.requests == []


async def test_no_free_file_descriptor_is_told_as_ours_and_not_as_the_receiver_s_fault(
    listen: Any, open_transport: Any, post: Any
) -> None:
    receiver, transport = await listen(answer), open_transport()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket() as probe:
        resource.setrlimit(resource.RLIMIT_NOFILE, (probe.fileno() + 1, limits[1]))
        try:
            failure = await failure_of(transport.send(post(receiver.url())))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert (failure.reason, failure.sent) == (FailureReason.LOCAL_RESOURCES, False)


async def test_a_blocked_address_and_a_dead_name_are_told_apart(
    open_transport: Any, post: Any, names: Any
) -> None:
    transport = open_transport(names=names(inside_example_com="10.0.0.5"))
    blocked = await failure_of(transport.send(post("https://inside.example.com/")))
    assert (blocked.reason, blocked.sent) == (FailureReason.BLOCKED, False)
    assert "10.0.0.5" in blocked.detail
    dead = await failure_of(transport.send(post("https://nobody.example.com/")))
    assert (dead.reason, dead.sent) == (FailureReason.UNRESOLVED, False)


async def test_the_next_address_is_tried_when_one_refuses(
    listen: Any, open_transport: Any, post: Any, names: Any
) -> None:
    receiver = await listen(answer)
    transport = open_transport(names=names(two_example_com="127.0.0.2 127.0.0.1"))
    response = await transport.send(post(receiver.url(host="two.example.com")))
    assert response.remote_address == "127.0.0.1"


async def test_a_silent_address_leaves_time_for_the_next_one(
    listen: Any, open_transport: Any, post: Any, names: Any
) -> None:
    receiver = await listen(answer)
    with full_backlog("127.0.0.2", receiver.port):
        transport = open_transport(
            names=names(two_example_com="127.0.0.2 127.0.0.1"), limits=Limits(connect=0.4)
        )
        response = await transport.send(post(receiver.url(host="two.example.com")))
    assert response.remote_address == "127.0.0.1"


async def test_a_closed_transport_refuses_to_send(open_transport: Any, post: Any) -> None:
    transport = open_transport()
    await transport.close()
    with pytest.raises(RuntimeError, match="closed"):
        await transport.send(post("http://127.0.0.1:1/"))


async def test_closing_ends_requests_that_are_out(listen: Any, open_transport: Any, post: Any) -> None:
    arrived = asyncio.Event()

    async def script(peer: Any) -> None:
        await peer.request()
        arrived.set()
        await peer.end()

    receiver, transport = await listen(script), open_transport()
    sending = asyncio.ensure_future(failure_of(transport.send(post(receiver.url()))))
    await arrived.wait()
    await transport.close()
    assert (await sending).reason == FailureReason.RESET
