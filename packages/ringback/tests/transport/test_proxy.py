"""An egress proxy: a process of its own that is asked for tunnels to judged addresses."""

import asyncio
import ssl
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from ringback._dial import Proxy
from ringback._errors import InvalidUrl
from ringback._transport import Failure, FailureReason, Limits

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def answer(peer: Any) -> None:
    while True:
        await peer.request()
        await peer.send(OK)


class RunningProxy:
    def __init__(self, port: int, process: asyncio.subprocess.Process) -> None:
        self.setting = f"http://127.0.0.1:{port}"
        self.port = port
        self._process = process

    async def heard(self) -> str:
        """The head of the next request that the proxy heard."""
        assert self._process.stdout is not None
        async with asyncio.timeout(10):
            return (await self._process.stdout.readline()).decode().strip()


@pytest.fixture
async def proxy() -> AsyncIterator[RunningProxy]:
    program = Path(__file__).with_name("connect_proxy.py")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-u", str(program), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    yield RunningProxy(int(await process.stdout.readline()), process)
    process.terminate()
    await process.communicate()


async def failure_of(sending: Any) -> Failure:
    with pytest.raises(Failure) as caught:
        await sending
    assert not caught.value.sent
    return caught.value


async def test_a_tunnel_is_asked_to_the_judged_address_and_names_stay_here(
    proxy: RunningProxy, listen: Any, open_transport: Any, post: Any, names: Any
) -> None:
    receiver = await listen(answer)
    transport = open_transport(names=names(receiver_example_com="127.0.0.1"), proxy=proxy.setting)
    for _ in range(2):
        response = await transport.send(post(receiver.url(host="receiver.example.com")))
        assert (response.status_code, response.remote_address) == (200, "127.0.0.1")
    assert (
        await proxy.heard() == f"CONNECT 127.0.0.1:{receiver.port} HTTP/1.1|Host: 127.0.0.1:{receiver.port}"
    )
    assert f"Host: receiver.example.com:{receiver.port}".encode() in receiver.requests[0]
    assert receiver.connections == 1


async def test_tls_goes_through_the_tunnel_to_the_name(
    proxy: RunningProxy, listen: Any, open_transport: Any, post: Any, names: Any
) -> None:
    authority, server, client = (
        trustme.CA(),
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER),
        ssl.create_default_context(),
    )
    authority.issue_cert("receiver.example.com").configure_cert(server)
    authority.configure_trust(client)
    receiver = await listen(answer, ssl=server)
    transport = open_transport(
        names=names(receiver_example_com="127.0.0.1"), proxy=proxy.setting, ssl_context=client
    )
    assert (
        await transport.send(post(receiver.url(host="receiver.example.com", scheme="https")))
    ).status_code == 200


async def test_a_name_and_a_password_are_told_to_the_proxy_only(
    proxy: RunningProxy, listen: Any, open_transport: Any, post: Any
) -> None:
    receiver = await listen(answer)
    transport = open_transport(proxy=proxy.setting.replace("//", "//worker:p@ss@"))
    await transport.send(post(receiver.url()))
    assert (await proxy.heard()).endswith("|Proxy-Authorization: Basic d29ya2VyOnBAc3M=")
    assert b"uthorization" not in receiver.requests[0]


async def test_what_the_guard_refuses_is_not_asked_of_the_proxy(
    proxy: RunningProxy, open_transport: Any, post: Any
) -> None:
    failure = await failure_of(open_transport(proxy=proxy.setting).send(post("http://10.0.0.1/")))
    assert failure.reason == FailureReason.BLOCKED


async def test_a_refused_tunnel_is_told_with_the_proxy_s_status(
    proxy: RunningProxy, open_transport: Any, post: Any
) -> None:
    failure = await failure_of(open_transport(proxy=proxy.setting).send(post("http://127.0.0.1:1/")))
    assert failure.reason == FailureReason.PROXY
    assert "502" in failure.detail


@pytest.mark.parametrize("reply", [b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\r\n" + b"x" * 40000, None])
async def test_a_proxy_that_speaks_nonsense_or_nothing_is_told_as_the_proxy(
    listen: Any, open_transport: Any, post: Any, reply: bytes | None
) -> None:
    async def script(peer: Any) -> None:
        await peer.request()
        if reply is None:
            await peer.end()
        else:
            await peer.send(reply)

    odd = await listen(script)
    transport = open_transport(proxy=f"http://127.0.0.1:{odd.port}", limits=Limits(connect=0.3))
    failure = await failure_of(transport.send(post("http://127.0.0.1:1/")))
    assert failure.reason == FailureReason.PROXY


async def test_a_proxy_that_is_down_is_told_as_the_proxy(open_transport: Any, post: Any) -> None:
    failure = await failure_of(open_transport(proxy="http://127.0.0.1:1").send(post("http://127.0.0.1:2/")))
    assert failure.reason == FailureReason.PROXY
    assert "127.0.0.1:1" in failure.detail


@pytest.mark.parametrize("setting", ["https://proxy:3128", "socks5://proxy:1080", "proxy:3128", "http://"])
def test_a_setting_that_is_no_http_proxy_is_refused(setting: str) -> None:
    with pytest.raises((ValueError, InvalidUrl)):
        Proxy.from_setting(setting)
