"""Threats t04, t13 to t15 and t41: what a receiver answers moves nothing but its own delivery's verdict."""

import asyncio
import json
import logging
import time
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from pydantic import BaseModel, Field
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from testkit.provider import Provider, open_provider

from ringback import Exchange, Ringback
from ringback.testing import LocalReceiver, drain

Answer = Any

REDIRECTS = [
    *(f"{code} Elsewhere\r\nLocation: {{url}}/inside" for code in (301, 302, 303, 307, 308)),
    "302 Elsewhere\r\nLocation: file:///etc/passwd",
    "302 Elsewhere\r\nLocation: //127.0.0.1/",
    "300 Choose\r\nLocation: {url}/inside",
    "304 Same\r\nLocation: {url}/inside",
]
HINTS = [
    "200 OK\r\nRefresh: 0; url={url}/inside",
    "200 OK\r\nLink: <{url}/inside>; rel=preload",
    "201 Made\r\nLocation: {url}/inside",
    "200 OK\r\nContent-Location: {url}/inside",
    '200 OK\r\nAlt-Svc: http/1.1="127.0.0.1:1"',
    "200 OK\r\nSet-Cookie: next={url}/inside",
]


def with_body(head: str, body: bytes = b'{"ok": true}') -> bytes:
    fields = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close"
    return f"HTTP/1.1 {head}\r\n{fields}\r\n\r\n".encode() + body


async def deliver(provider: Provider, url: str) -> Any:
    """One callback to `url`; how it stands after the first attempt."""
    await provider.send("acme", url=url)
    await drain(provider.ringback)
    [report] = await provider.ask(provider.ringback.deliveries)
    return report


@pytest.mark.parametrize("head", [*REDIRECTS, *HINTS])
async def test_t04_no_answer_leads_to_a_second_request(
    provider: Provider, answering: Answer, head: str
) -> None:
    receiver = await answering(with_body(head))
    report = await deliver(provider, receiver.url)
    assert receiver.lines == ["POST /invoices/2expen51ve HTTP/1.1"]
    assert report.attempts == 1
    assert (report.state == "delivered") == (head in HINTS)


HOSTILE_TEXTS = [
    b"<script>alert(1)</script>",
    b"\x1b]0;title\x07\x1b[2J\x1b[31m",
    b"\r\nCRITICAL ringback.worker: forged line\r\n",
    b"\x00\x01\x02",
    "\u202eevil\u2066".encode(),
    b"\xff\xfe\xfa",
    b"%s %(name)s {0} {url}",
]


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
@pytest.mark.parametrize("status", [200, 500])
async def test_t13_t14_an_answer_forges_no_log_line_and_stops_no_delivery(
    provider: Provider, answering: Answer, caplog: pytest.LogCaptureFixture, text: bytes, status: int
) -> None:
    caplog.set_level(logging.DEBUG)
    receiver = await answering(with_body(f"{status} {text[:4].hex()}", text))
    report = await deliver(provider, receiver.url)
    assert report.state == ("delivered" if status == 200 else "pending")
    assert report.attempts == 1
    logged = [record.getMessage() for record in caplog.records if record.name.startswith("ringback")]
    assert len([line for line in logged if report.id in line]) == 1
    for line in logged:
        assert line.isprintable(), ascii(line)
        assert "script" not in line
        assert not line.startswith("CRITICAL")


class Reply(BaseModel):
    ok: bool
    note: str = Field(default="", pattern="^(a+)+$")
    amount: float = 0.0
    deep: Any = None


callbacks = APIRouter()


@callbacks.post("{$callback_url}", response_model=Reply)
def told(body: dict[str, str]) -> Any: ...


HOSTILE_JSON = {
    "deep": b'{"ok": true, "deep": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep objects": b'{"ok": true, "deep": ' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"}",
    "NaN": b'{"ok": true, "amount": NaN}',
    "Infinity": b'{"ok": true, "amount": -Infinity}',
    "1e400": b'{"ok": true, "amount": 1e400}',
    "100000 digits": b'{"ok": true, "amount": ' + b"9" * 100_000 + b"}",
    "catastrophic pattern": json.dumps({"ok": True, "note": "a" * 60 + "!"}).encode(),
    "foreign reference": b'{"ok": true, "$ref": "http://127.0.0.1:1/schema", "deep": {"$ref": "file:///etc/passwd"}}',
    "twice": b'{"ok": false, "ok": true, "ok": 7}',
    "half": b'{"ok": tr',
    "no UTF-8": b'{"ok": true, "note": "\xff"}',
    "surrogate": b'{"ok": true, "note": "\\ud800"}',
}


@pytest.mark.parametrize("kind", HOSTILE_JSON)
async def test_t15_an_answer_that_breaks_the_check_is_delivered_with_a_label_and_at_once(
    sqlite_url: str, answering: Answer, kind: str
) -> None:
    app = FastAPI()
    app.post("/orders", callbacks=callbacks.routes, operation_id="order")(lambda callback_url: None)
    ringback = Ringback(app, database=sqlite_url, allow_networks=["127.0.0.0/8"])
    receiver = await answering(with_body("200 OK", HOSTILE_JSON[kind]))
    async with ringback.running():
        async with ringback.transaction() as session:
            exchange = Exchange(query={"callback_url": receiver.url})
            await ringback.bind(session, "order", key="1", exchange=exchange)
            await ringback.to(session, key="1").send(told, {"a": "b"})
        started = time.monotonic()
        await drain(ringback)
        assert time.monotonic() - started < 5.0
        async with ringback.transaction() as session:
            [report] = await ringback.deliveries(session)
    await ringback.engine.dispose()
    assert (report.state, report.attempts, report.status_code) == ("delivered", 1, 200)
    assert (report.breach is None) == (kind == "foreign reference")


async def test_t41_what_stands_in_a_callbacks_query_is_in_no_log_of_ours(
    provider: Provider, answering: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="ringback")
    good, bad = await answering(with_body("200 OK")), await answering(with_body("500 No"))
    for key, url in enumerate((good.url, bad.url, "http://127.0.0.1:1")):
        await provider.send("acme", key=str(key), url=f"{url}/hook?token=sesame-{key}&sig=opensesame")
    await drain(provider.ringback)
    assert "token=sesame-0" in good.lines[0]
    assert len([record for record in caplog.records if "attempt=1" in record.getMessage()]) == 3
    assert "sesame" not in caplog.text


async def test_t41_a_database_that_fails_puts_no_url_into_the_log_either(
    sqlite_url: str, answering: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    engine = create_async_engine(sqlite_url)  # an app's own, which shows parameters in its errors
    Ringback.configure_sqlite(engine)
    receiver = await answering(with_body("200 OK"))

    async def rename(one: str, other: str) -> None:
        async with engine.begin() as connection:
            await connection.execute(text(f"ALTER TABLE {one} RENAME TO {other}"))

    with LocalReceiver() as unused:
        async with open_provider(unused, database=engine) as provider:
            await rename("ringback_attempts", "lost")
            await provider.send("acme", url=f"{receiver.url}/hook?token=sesame")
            async with asyncio.timeout(20):
                while "no such table" not in caplog.text:
                    await asyncio.sleep(0.01)
            await rename("lost", "ringback_attempts")
            await drain(provider.ringback)
    assert len(receiver.lines) == 1
    assert "sesame" not in caplog.text
