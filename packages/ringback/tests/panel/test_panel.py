"""A test callback is a real one, marked; and it tells of the answer what is its owner's to know."""

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from standardwebhooks import Webhook

from ringback.receiver import Receiver
from ringback.testing import LocalReceiver

pytestmark = pytest.mark.asyncio(loop_scope="module")  # the loop in which the app is served

TABLES = ("targets", "deliveries", "attempts", "endpoints")


async def test_the_documented_example_is_sent_signed_and_marked_and_nothing_is_kept(
    office: Any, ringback_receiver: LocalReceiver
) -> None:
    told = await office.told(f"{ringback_receiver.url}/events?a=b")
    [received] = ringback_receiver.requests
    assert (received.method, received.target) == ("POST", "/events/invoices/test?a=b")
    assert received.json() == {"description": "description", "paid": True}
    async with office.ringback.transaction() as session:
        secret = await office.ringback.signing_secret(session, owner="acme")
    assert Webhook(secret).verify(received.body, dict(received.headers)) == received.json()
    message = Receiver(secret).verify(received.headers, received.body, "/events/invoices/test")
    assert (message.is_test, message.id) == (True, told["id"])
    assert received.headers["ringback-test"] == "1"
    sent = told["request"]
    assert dict(sent["headers"]) == received.headers
    assert (sent["method"], sent["url"]) == ("POST", f"{ringback_receiver.url}/events/invoices/test?a=b")
    assert sent["body"].encode() == received.body
    assert {name: told[name] for name in ("good", "status_code", "verdict", "breach")} == {
        "good": True,
        "status_code": 200,
        "verdict": "Answered 200 as documented.",
        "breach": None,
    }
    async with office.ringback.engine.connect() as connection:
        for table in TABLES:
            assert await connection.scalar(text(f"SELECT count(*) FROM ringback_{table}")) == 0


@pytest.mark.parametrize(
    ("behaviour", "status", "verdict", "breach"),
    [
        ("not-ok", 200, "Answered 200, but did not acknowledge.", None),
        ("wrong-shape", 200, "Answered 200, not as documented.", '$: is not of type "object"'),
        ("204", 204, "Answered 204, not as documented.", "status 204 is not documented"),
        ("500", 500, "Answered 500.", None),
        ("404", 404, "Answered 404: no receiver at this path.", None),
        (
            "410",
            410,
            "Answered 410: the receiver is gone; a delivery would be given up, and its endpoint disabled.",
            None,
        ),
        ("redirect", 302, "Answered 302: redirects are not followed.", None),
        ("429:retry-after=30", 429, "Answered 429: the receiver is being called too often.", None),
    ],
)
async def test_the_verdict_is_that_of_a_real_delivery(
    behaviour: str, status: int, verdict: str, breach: str | None, office: Any, ringback_receivers: Any
) -> None:
    receiver = ringback_receivers(behaviour)
    told = await office.told(receiver.url)
    assert (told["good"], told["status_code"], told["verdict"], told["breach"]) == (
        False,
        status,
        verdict,
        breach,
    )
    assert len(receiver.requests) == 1


@pytest.mark.parametrize(
    ("body", "breach"),
    [
        (b'{"ok": "SECRET-OF-THE-ANSWER"}', '$.ok: is not of type "boolean"'),
        (b'{"ok": "x\\" is not of type \\"SECRET-OF-THE-ANSWER"}', '$.ok: is not of type "boolean"'),
        (b'{"SECRET-OF-THE-ANSWER": 1}', '$: "ok" is a required property'),
        (b"SECRET-OF-THE-ANSWER", "the body cannot be read as JSON"),
        (b"", "the body cannot be read as JSON"),
        (b'{"ok": true, "SECRET-OF-THE-ANSWER": 1}', None),
    ],
)
async def test_where_an_answer_breaks_the_document_is_told_and_nothing_of_its_body(
    body: bytes, breach: str | None, office: Any
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-a: SECRET-OF-THE-ANSWER\r\n"
        writer.write(head + b"content-length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        asked = await office.ask(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    finally:
        server.close()
    assert asked.json()["breach"] == breach
    assert "SECRET-OF-THE-ANSWER" not in asked.text


@contextmanager
def hanging_up() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"SSH-2.0-OpenSSH_9.9\r\n")
            writer.close()

        task = asyncio.ensure_future(asyncio.start_server(greet, sock=listener))
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        task.result().close()


@contextmanager
def closed() -> Iterator[str]:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{unused.getsockname()[1]}"


@contextmanager
def filtered() -> Iterator[str]:
    """A port whose packets vanish: the queue of its listener is full, so that the kernel drops what comes."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for client in (first, second):
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


async def test_t08_open_closed_filtered_and_unknown_look_alike_in_words_and_in_time(
    open_office: Any, ringback_receivers: Any
) -> None:
    silent, resetting = ringback_receivers("hang"), ringback_receivers("reset")
    async with open_office(timeout=0.3) as office:

        async def timed(url: str) -> tuple[float, Any]:
            started = time.monotonic()
            told = await office.told(f"{url}/events")
            return time.monotonic() - started, told

        with hanging_up() as a, closed() as b, filtered() as c:
            tls = b.replace("http://", "https://")
            seen = await asyncio.gather(*map(timed, (a, b, c, silent.url, resetting.url, tls)))
    first = seen[0][1]
    assert (first["good"], first["status_code"], first["breach"]) == (False, None, None)
    assert "which of these it was is not told" in first["verdict"]
    for took, told in seen:
        assert {name: told[name] for name in ("good", "status_code", "verdict", "breach")} == {
            name: first[name] for name in ("good", "status_code", "verdict", "breach")
        }
        assert 1.3 <= took < 2.3


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest", "http://10.0.0.1/", "http://127.1.0.1/", "http://[fd00::1]/", "https://example.com:22/",
        "http://inside.example/", "http://mixed.example/", "http://metadata.google.internal/", "http://localhost.localdomain/",
    ],
)  # fmt: skip
async def test_what_may_not_be_called_is_refused_in_one_text(
    url: str, office: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Names:
        async def resolve(self, host: str) -> Any:
            inside, outside = ip_address("10.0.0.1"), ip_address("93.184.216.34")
            return {"inside.example": (inside,), "mixed.example": (outside, inside)}.get(host, (outside,))

    monkeypatch.setattr(office.ringback.guard, "resolver", Names())
    refused = await office.ask(url)
    assert refused.status_code == 422
    [detail] = refused.json()["detail"]
    assert detail["loc"] == ["body", "url"]
    assert detail["msg"] == "this URL cannot be called: it must lead to a public address on a usual web port"


@pytest.mark.parametrize(
    "url", ["", "ftp://x.example", "//x.example", "http://a@x.example/", "http://x.example/#a", "http:///"]
)
async def test_what_is_no_url_is_refused_with_the_reason(url: str, office: Any) -> None:
    refused = await office.ask(url)
    assert (refused.status_code, refused.json()["detail"][0]["loc"]) == (422, ["body", "url"])


async def test_only_callbacks_of_the_document_can_be_tried(office: Any) -> None:
    refused = await office.ask("http://127.0.0.1:1", callback="another")
    assert refused.status_code == 422
    assert "POST /invoices/ declares no callback 'another'" in refused.json()["detail"][0]["msg"]


async def test_who_may_not_ask_is_refused_and_nothing_is_sent(
    office: Any, ringback_receiver: LocalReceiver
) -> None:
    assert (await office.ask(ringback_receiver.url, key="")).status_code == 401
    for site in ("cross-site", "same-site"):
        refused = await office.ask(ringback_receiver.url, **{"sec-fetch-site": site})
        assert refused.status_code == 403
    raw = await office.client.post(
        "/callback-tests",
        content=json.dumps({"url": ringback_receiver.url}),
        headers={"content-type": "text/plain", "x-key": "a"},
    )
    assert raw.status_code == 422
    assert ringback_receiver.requests == []


async def test_t09_an_owner_and_a_host_are_called_at_a_rate(
    open_office: Any, ringback_receiver: LocalReceiver
) -> None:
    async with open_office(per_minute=0.01) as office:
        for _ in range(3):
            await office.told(ringback_receiver.url, key="acme")
        for _ in range(2):
            await office.told(ringback_receiver.url, key="other")
        host = await office.ask(ringback_receiver.url, key="third")
        assert (host.status_code, host.headers["retry-after"].isdigit()) == (429, True)
    assert len(ringback_receiver.requests) == 5


async def test_fastapis_own_page_gets_the_script_before_it_starts_and_no_other_page_does(office: Any) -> None:
    page = await office.client.get("/docs")
    assert page.headers["content-length"] == str(len(page.content))
    before, after = page.text.split('<script src="/callback-tests/panel.js"></script>')
    assert "swagger-ui-bundle.js" in before
    assert after.lstrip().startswith("<script>\n    const ui = SwaggerUIBundle(")
    for path, kind in {"/callback-tests/panel.js": "javascript", "/callback-tests/panel.css": "css"}.items():
        assert kind in (await office.client.get(path)).headers["content-type"]
    for path in ("/redoc", "/openapi.json", "/docs/oauth2-redirect"):
        assert "panel.js" not in (await office.client.get(path)).text
    assert "callback-tests" not in (await office.client.get("/openapi.json")).text


async def test_below_another_path_it_is_found_there(open_office: Any) -> None:
    async with open_office(path="/x/tests") as office:
        outer = FastAPI()
        outer.mount("/api", office.app)
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(outer), base_url="http://x") as client:
            assert '<script src="/api/x/tests/panel.js">' in (await client.get("/api/docs")).text


async def test_the_operators_log_says_who_tried_what_and_why_it_failed(
    open_office: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "ringback.panel")
    async with open_office(timeout=0.3) as office:
        with closed() as url:
            told = await office.told(f"{url}/events?token=SECRET")
    [line] = [record.getMessage() for record in caplog.records if record.name == "ringback.panel"]
    assert line.startswith(f"test id={told['id']} owner='acme' destination={url} status=None verdict=")
    assert "connect refused" in line
    assert "SECRET" not in line
