import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any

import httpx2
import pytest
import pytest_asyncio
from fastapi import Depends, FastAPI
from pydantic import BaseModel
from standardwebhooks import Webhook
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from testkit.serving import served

from ringback._signing import new_key_pair, new_message_id, new_secret, sign
from ringback.receiver import InvalidSecret, InvalidSignature, Message, Receiver

on_shared_server = pytest.mark.asyncio(loop_scope="module")  # the loop in which `url` is served

SECRET = new_secret()
PATH = "/events/invoices/2expen51ve"
BODY = b'{"description":"Payment celebration","paid":true}'


class InvoiceEvent(BaseModel):
    description: str
    paid: bool


def signed_headers(
    path: str = PATH, body: bytes = BODY, *, secrets: tuple[str, ...] = (SECRET,), age: int = 0
) -> dict[str, str]:
    message_id, timestamp = new_message_id(path), int(time.time()) - age
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(secrets, message_id, timestamp, body),
        "content-type": "application/json",
    }


async def post(
    url: str, headers: dict[str, str] | list[tuple[str, str]], content: Any = BODY
) -> httpx2.Response:
    async with httpx2.AsyncClient(verify=False) as client:
        return await client.post(url, content=content, headers=headers)


def fastapi_app(receiver: Receiver, seen: list[str] | None = None) -> FastAPI:
    app = FastAPI()

    @app.post("/events/invoices/{invoice_id}")
    async def invoice_notification(
        invoice_id: str, event: InvoiceEvent, message: Annotated[Message, Depends(receiver)]
    ) -> dict[str, Any]:
        if seen is not None:
            seen.append(message.id)
        return {"ok": event.paid, "invoice": invoice_id}

    return app


def starlette_app(receiver: Receiver) -> Starlette:
    async def notification(request: Request) -> Response:
        message = await receiver(request)
        event = await request.json()  # still readable after verification
        assert event == message.json()
        return JSONResponse({"ok": event["paid"], "invoice": request.path_params["invoice_id"]})

    return Starlette(routes=[Route("/events/invoices/{invoice_id}", notification, methods=["POST"])])


async def plain_app(scope: Any, receive: Any, send: Any) -> None:
    body, more = b"", True
    while more:
        event = await receive()
        body, more = body + event.get("body", b""), event.get("more_body", False)
    answer = {"ok": json.loads(body)["paid"], "invoice": scope["path"].rpartition("/")[2]}
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(answer).encode()})


def applications(receiver: Receiver) -> dict[str, Any]:
    return {
        "fastapi": fastapi_app(receiver),
        "fastapi behind protect": receiver.protect(fastapi_app(receiver)),
        "starlette": starlette_app(receiver),
        "plain asgi": receiver.protect(plain_app),
    }


@pytest_asyncio.fixture(params=list(applications(Receiver(SECRET))), scope="module", loop_scope="module")
async def url(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    async with served(applications(Receiver(SECRET, max_body=10_000))[request.param]) as base_url:
        yield base_url


@on_shared_server
async def test_a_signed_callback_is_answered(url: str) -> None:
    answer = await post(url + PATH + "?attempt=1", signed_headers())
    assert (answer.status_code, answer.json()) == (200, {"ok": True, "invoice": "2expen51ve"})


@on_shared_server
async def test_a_tampered_body_is_refused_with_the_reason(url: str) -> None:
    answer = await post(url + PATH, signed_headers(), BODY.replace(b"true", b"false"))
    assert answer.status_code == 403
    assert "no signature in webhook-signature" in answer.text


@on_shared_server
async def test_an_unsigned_request_is_refused(url: str) -> None:
    answer = await post(url + PATH, {"content-type": "application/json"})
    assert answer.status_code == 403
    assert "webhook-id is missing" in answer.text


@on_shared_server
async def test_a_callback_replayed_to_another_invoice_is_refused(url: str) -> None:
    answer = await post(url + "/events/invoices/another", signed_headers())
    assert answer.status_code == 403
    assert "another path" in answer.text


@on_shared_server
async def test_a_callback_signed_for_another_account_is_refused(url: str) -> None:
    answer = await post(url + PATH, signed_headers(secrets=(new_secret(),)))
    assert answer.status_code == 403


@on_shared_server
async def test_an_old_callback_is_refused(url: str) -> None:
    answer = await post(url + PATH, signed_headers(age=301))
    assert answer.status_code == 403
    assert "300 s" in answer.text


@on_shared_server
async def test_a_path_is_compared_as_it_travelled(url: str) -> None:
    path = "/events/invoices/caf%C3%A9%20%3F"
    answer = await post(url + path, signed_headers(path))
    assert answer.status_code == 200


@on_shared_server
@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
async def test_a_repeated_header_is_refused(url: str, name: str) -> None:
    headers = signed_headers()
    answer = await post(url + PATH, [*headers.items(), (name.title(), headers[name])])
    assert answer.status_code == 403
    assert "more than once" in answer.text


@on_shared_server
async def test_a_body_over_the_limit_is_refused_whether_announced_or_not(url: str) -> None:
    body = BODY + b" " * 10_000

    async def in_pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 4096):
            yield body[start : start + 4096]

    for content in (body, in_pieces()):
        answer = await post(url + PATH, signed_headers(body=body), content)
        assert answer.status_code == 403
        assert "10000 bytes" in answer.text


@on_shared_server
async def test_a_body_in_pieces_within_the_limit_is_accepted(url: str) -> None:
    async def in_pieces() -> AsyncIterator[bytes]:
        yield BODY[:10]
        yield BODY[10:]

    assert (await post(url + PATH, signed_headers(), in_pieces())).status_code == 200


# --- protect -----------------------------------------------------------------------------------------------


async def test_an_oversized_body_is_refused_before_it_is_read() -> None:
    async with served(Receiver(SECRET).protect(plain_app)) as url:
        port = int(url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999999999999999999\r\n\r\n")
        status = await asyncio.wait_for(reader.readline(), 10)
        writer.close()
        await writer.wait_closed()
        assert status.startswith((b"HTTP/1.1 403", b"HTTP/1.1 400"))


async def test_a_client_that_leaves_before_its_body_ends_reaches_nobody() -> None:
    async def gone() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def nobody(*_: Any) -> None:
        raise AssertionError("called")

    scope = {"type": "http", "path": PATH, "raw_path": PATH.encode(), "headers": []}
    await Receiver(SECRET).protect(nobody)(scope, gone, nobody)


async def test_only_paths_below_the_prefix_are_protected() -> None:
    receiver = Receiver(SECRET)
    app = fastapi_app(receiver)
    app.add_middleware(receiver.protect, prefix="/events/")
    async with served(app) as url, httpx2.AsyncClient(verify=False) as client:
        assert (await client.get(url + "/openapi.json")).status_code == 200
        assert (await client.post(url + "/eventsandmore")).status_code == 404
        assert (await client.post(url + PATH)).status_code == 403
        assert (await client.get(url + "/events")).status_code == 403


@pytest.mark.parametrize("settings", [{}, {"root_path": "/api"}])
async def test_a_root_path_does_not_open_a_way_round_the_prefix(settings: Any) -> None:
    receiver = Receiver(SECRET)

    async def unprotected(_: Request) -> Response:
        return Response()

    app = Starlette(routes=[Route("/events/invoices/{invoice_id}", unprotected, methods=["POST"])])
    async with served(receiver.protect(app, prefix="/events"), **settings) as url:
        assert (await post(url + PATH, {})).status_code == 403
        path = settings.get("root_path", "") + PATH  # before the proxy cut the root off
        assert (await post(url + PATH, signed_headers(path))).status_code == 200


async def test_a_mounted_application_sees_the_path_that_was_called() -> None:
    receiver = Receiver(SECRET)
    inner = Starlette(
        routes=[Route("/invoices/{invoice_id}", starlette_endpoint(receiver), methods=["POST"])]
    )
    async with served(Starlette(routes=[Mount("/events", inner)])) as url:
        assert (await post(url + PATH, signed_headers())).status_code == 200
        assert (await post(url + PATH, signed_headers("/invoices/2expen51ve"))).status_code == 403


def starlette_endpoint(receiver: Receiver) -> Callable[[Request], Awaitable[Response]]:
    async def notification(request: Request) -> Response:
        return JSONResponse({"id": (await receiver(request)).id})

    return notification


async def test_what_another_receiver_verified_is_verified_again() -> None:
    inner, outer = Receiver(new_secret()), Receiver(SECRET)
    async with served(outer.protect(fastapi_app(inner))) as url:
        assert (await post(url + PATH, signed_headers())).status_code == 403


# --- settings ----------------------------------------------------------------------------------------------


async def test_a_proxy_that_rewrites_paths_is_told_to_the_receiver() -> None:
    receiver = Receiver(SECRET, path=lambda path: "/public" + path)
    async with served(fastapi_app(receiver)) as url:
        assert (await post(url + PATH, signed_headers("/public" + PATH))).status_code == 200
        assert (await post(url + PATH, signed_headers())).status_code == 403


def test_without_the_path_check_other_providers_ids_are_accepted() -> None:
    webhook = Webhook(SECRET)
    now = datetime.now(UTC)
    headers = {
        "Webhook-Id": "evt-1",
        "Webhook-Timestamp": str(int(now.timestamp())),
        "Webhook-Signature": webhook.sign("evt-1", now, BODY.decode()),
    }
    assert Receiver(SECRET, check_path=False).verify(headers, BODY, "/any").id == "evt-1"
    with pytest.raises(InvalidSignature):
        Receiver(SECRET).verify(headers, BODY, "/any")


def test_old_and_new_secret_and_a_public_key_are_known_together() -> None:
    old, new = new_secret(), new_secret()
    secret_key, public = new_key_pair()
    receiver = Receiver(new, old, public)
    for one in (old, new, secret_key):
        assert receiver.verify(signed_headers(secrets=(one,)), BODY, PATH).body == BODY


def test_the_message_carries_id_time_and_bytes() -> None:
    headers = signed_headers()
    message = Receiver(SECRET, clock=time.time).verify(headers, BODY, PATH)
    assert message.id == headers["webhook-id"]
    assert message.timestamp == int(headers["webhook-timestamp"])
    assert message.json() == {"description": "Payment celebration", "paid": True}


@pytest.mark.parametrize("secrets", [(), ("",), ("secret",), (SECRET, "whsec_short")])
def test_a_secret_that_cannot_be_read_is_reported_at_once(secrets: tuple[str, ...]) -> None:
    with pytest.raises(InvalidSecret):
        Receiver(*secrets)


def test_the_clock_and_the_tolerance_are_settings() -> None:
    headers = signed_headers(age=3600)
    assert Receiver(SECRET, tolerance=4000).verify(headers, BODY, PATH)
    assert Receiver(SECRET, clock=lambda: time.time() - 3600).verify(headers, BODY, PATH)


async def test_a_server_that_does_not_tell_the_raw_path_is_understood() -> None:
    receiver = Receiver(SECRET)
    path = "/events/invoices/a%20b"
    body = [{"type": "http.request", "body": BODY}]

    async def receive() -> Any:
        return body.pop()

    headers = [(name.encode(), value.encode()) for name, value in signed_headers(path).items()]
    scope = {"type": "http", "path": "/events/invoices/a b", "headers": headers}
    assert (await receiver(Request(scope, receive))).body == BODY


def test_importing_the_kit_needs_neither_sqlalchemy_nor_fastapi() -> None:
    program = (
        "import sys; import ringback.receiver as kit; kit.Receiver('whsec_' + 'A' * 40);"
        "loaded = {'sqlalchemy', 'fastapi', 'cryptography'} & set(sys.modules); assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
