"""TLS: receivers are verified by the name in the URL, in every wrong way there is."""

import asyncio
import contextlib
import socket
import ssl
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from ringback import _tls
from ringback._transport import Failure, FailureReason, Limits

NAME = "receiver.example.com"


async def answer(peer: Any) -> None:
    while True:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def serving(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


async def failure_of(sending: Any) -> Failure:
    with pytest.raises(Failure) as caught:
        await sending
    assert not caught.value.sent or caught.value.reason == FailureReason.TLS_HANDSHAKE
    return caught.value


@pytest.fixture
def call(
    listen: Any, open_transport: Any, post: Any, names: Any, trusting: ssl.SSLContext
) -> Callable[..., Any]:
    """Send to a receiver by name (or by address) over https."""

    async def send(
        server: ssl.SSLContext | None, *, host: str = NAME, script: Any = answer, **options: Any
    ) -> Any:
        receiver = await listen(script, ssl=server)
        options.setdefault("ssl_context", trusting)
        transport = open_transport(names=names(**{NAME.replace(".", "_"): "127.0.0.1"}), **options)
        return await transport.send(post(receiver.url(host=host, scheme="https")))

    return send


async def test_the_name_of_the_url_is_told_and_verified(authority: trustme.CA, call: Any) -> None:
    server, told = serving(authority.issue_cert(NAME)), []
    server.sni_callback = lambda _sock, name, _context: told.append(name)
    response = await call(server)
    assert (response.status_code, response.remote_address) == (200, "127.0.0.1")
    assert told == [NAME]


async def test_an_address_in_the_url_is_verified_as_an_address(authority: trustme.CA, call: Any) -> None:
    assert (await call(serving(authority.issue_cert("127.0.0.1")), host="127.0.0.1")).status_code == 200


@pytest.mark.parametrize(
    ("identities", "options", "host"),
    [
        ([NAME], {"not_after": datetime.now(UTC) - timedelta(days=1)}, NAME),
        (["other.example.com"], {}, NAME),
        (["*.example.net"], {}, NAME),
        (["deeper.receiver.example.com"], {}, NAME),
        (["127.0.0.1"], {}, NAME),
        ([NAME], {}, "127.0.0.1"),
        (["other.example.com"], {"common_name": NAME}, NAME),
    ],
)
async def test_a_certificate_for_another_time_or_name_is_refused(
    authority: trustme.CA, call: Any, identities: list[str], options: dict[str, Any], host: str
) -> None:
    failure = await failure_of(call(serving(authority.issue_cert(*identities, **options)), host=host))
    assert failure.reason == FailureReason.TLS_CERTIFICATE


async def test_an_unknown_authority_and_a_self_signed_certificate_are_refused(call: Any) -> None:
    failure = await failure_of(call(serving(trustme.CA().issue_cert(NAME))))
    assert failure.reason == FailureReason.TLS_CERTIFICATE
    assert "certificate" in failure.detail


async def test_the_environment_names_no_roots(
    authority: trustme.CA, call: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "roots.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "roots.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    failure = await failure_of(call(serving(authority.issue_cert(NAME)), ssl_context=None))
    assert failure.reason == FailureReason.TLS_CERTIFICATE


async def test_tls_older_than_1_2_is_not_spoken(authority: trustme.CA, call: Any) -> None:
    server = serving(authority.issue_cert(NAME))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        server.minimum_version = ssl.TLSVersion.TLSv1
        server.maximum_version = ssl.TLSVersion.TLSv1_1
    failure = await failure_of(call(server))
    assert failure.reason == FailureReason.TLS_HANDSHAKE


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_receiver_that_asks_for_our_certificate_is_told_as_such(
    authority: trustme.CA, trusting: ssl.SSLContext, open_transport: Any, post: Any, newest: ssl.TLSVersion
) -> None:
    server = serving(authority.issue_cert("127.0.0.1"))
    server.maximum_version = newest
    server.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(server)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:  # blocking, for asyncio's own server closes without the alert
            connection, _ = listener.accept()
            tls = server.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            with tls:
                with contextlib.suppress(ssl.SSLError):
                    tls.do_handshake()
                socket.socket.shutdown(tls, socket.SHUT_WR)
                while socket.socket.recv(tls, 4096):  # unread bytes would turn the close into a reset
                    pass

        accepting = asyncio.create_task(asyncio.to_thread(accept))
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/"
        failure = await failure_of(open_transport(ssl_context=trusting).send(post(url)))
        await accepting
    assert failure.reason == FailureReason.TLS_HANDSHAKE


async def test_a_port_without_tls_is_told_as_such(call: Any) -> None:
    async def plain(peer: Any) -> None:
        await peer.reader.read(10)
        await peer.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        await peer.end()

    failure = await failure_of(call(None, script=plain))
    assert failure.reason == FailureReason.TLS_HANDSHAKE


@pytest.mark.parametrize("way", ["hangs", "closes", "resets"])
async def test_a_handshake_that_does_not_end_has_its_own_deadline_and_reason(call: Any, way: str) -> None:
    async def script(peer: Any) -> None:
        await peer.reader.read(10)
        if way == "resets":
            peer.reset()
        elif way == "hangs":
            await peer.end()

    failure = await failure_of(call(None, script=script, limits=Limits(tls=0.2)))
    assert failure.reason == FailureReason.TLS_HANDSHAKE


async def test_a_connection_verified_for_one_name_serves_no_other_at_the_same_address(
    authority: trustme.CA, trusting: ssl.SSLContext, listen: Any, open_transport: Any, post: Any, names: Any
) -> None:
    receiver = await listen(answer, ssl=serving(authority.issue_cert("one.example.com")))
    known = names(one_example_com="127.0.0.1", two_example_com="127.0.0.1")
    transport = open_transport(names=known, ssl_context=trusting)
    for _ in range(2):
        await transport.send(post(receiver.url(host="one.example.com", scheme="https")))
    failure = await failure_of(transport.send(post(receiver.url(host="two.example.com", scheme="https"))))
    assert failure.reason == FailureReason.TLS_CERTIFICATE
    assert (len(receiver.requests), receiver.connections) == (2, 1)


async def test_connections_over_tls_are_kept_too_and_found_closed_when_they_are(
    authority: trustme.CA, trusting: ssl.SSLContext, listen: Any, open_transport: Any, post: Any, names: Any
) -> None:
    ended = asyncio.Event()

    async def script(peer: Any) -> None:
        for _ in range(2):
            await peer.request()
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        peer.writer.close()
        await peer.writer.wait_closed()
        ended.set()

    receiver = await listen(script, ssl=serving(authority.issue_cert("127.0.0.1")))
    transport = open_transport(ssl_context=trusting)
    for _ in range(2):
        await transport.send(post(receiver.url(scheme="https")))
    assert receiver.connections == 1
    await ended.wait()
    assert (await transport.send(post(receiver.url(scheme="https")))).status_code == 200
    assert receiver.connections == 2


@pytest.mark.parametrize("weak", ["no verification", "no name check", "old versions"])
def test_a_context_that_would_trust_anybody_is_refused_when_it_is_given(
    weak: str, open_transport: Any
) -> None:
    context = ssl.create_default_context()
    if weak == "old versions":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = ssl.TLSVersion.TLSv1_1
    else:
        context.check_hostname = False
        if weak == "no verification":
            context.verify_mode = ssl.CERT_NONE
    with pytest.raises(ValueError, match="ssl_context"):
        open_transport(ssl_context=context)


def test_the_default_context_verifies_and_has_the_system_s_roots() -> None:
    context = _tls.default_context()
    assert _tls.check_context(context) is context
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
