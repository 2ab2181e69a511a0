"""Every request is judged by the document, and answered as the document, or the script, says."""

import json
import time
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from pydantic import BaseModel

from ringback import Exchange, Ringback
from ringback._errors import RingbackError
from ringback._jwks import jwks
from ringback._openapi.answer import is_json
from ringback._signing import new_message_id, new_secret, sign
from ringback._urls import parse_url
from ringback.kit._behave import Script
from ringback.kit._calls import Caller
from ringback.kit._declared import choose
from ringback.kit.check._events import invalid_bodies, valid_events
from ringback.kit.listen import Journal, Listener, keys_of_jwks
from ringback.testing import assert_delivered, drain

DOCUMENTS = ("tutorial", "specification", "hostile")
PATH = "/events/invoices/2expen51ve"
BODY = b'{"description":"Payment celebration","paid":true}'
JSON = {"content-type": "application/json"}


def signed(secret: str, body: bytes = BODY, *, path: str = PATH, age: float = 0) -> dict[str, str]:
    message_id, timestamp = new_message_id(path), int(time.time() - age)
    signature = sign([secret], message_id, timestamp, body)
    return {"webhook-id": message_id, "webhook-timestamp": str(timestamp), "webhook-signature": signature}


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_what_a_document_allows_is_right_and_what_it_forbids_is_not(
    name: str, request: pytest.FixtureRequest, listening: Any
) -> None:
    document = request.getfixturevalue(name)
    for declared in choose(document):
        async with listening(document, wanted=(declared.name,)) as there:
            caller = Caller(document, declared, parse_url(there.url))
            method, own = declared.contract.method, signed(new_secret())
            for payload in valid_events(caller):
                headers = [*payload.headers, *own.items()]
                url = str(caller.url(payload))
                await there.client.request(method, url, content=payload.body, headers=headers)
                assert there.last.is_right, (declared.name, payload, there.last.checks)
            good = caller.payload()
            if caller.body is None or not is_json(caller.body.media_type):
                continue
            for title, _, body in invalid_bodies(caller, good.value):
                url, headers = str(caller.url(good)), [*good.headers, *own.items()]
                answer = await there.client.request(method, url, content=body, headers=headers)
                assert there.findings()["body"] == "wrong", (declared.name, title)
                assert answer.status_code == 422


@pytest.mark.parametrize(
    ("changed", "subject", "words", "status"),
    [
        ({"headers": JSON}, "signature", "the header webhook-id is missing", 403),
        ({"content": BODY.replace(b"true", b"false")}, "signature", "no signature in webhook-signature", 403),
        ({"age": 400}, "signature", "webhook-timestamp is more than 300 s away", 403),
        ({"age": -400}, "signature", "webhook-timestamp is more than 300 s away", 403),
        ({"signed": b'{"description":"x"}'}, "body", '$: "paid" is a required property', 422),
        ({"signed": b'{"description":1,"paid":true}'}, "body", "$.description: 1 is not of type", 422),
        ({"signed": b"not json"}, "body", "cannot be read as application/json", 422),
        ({"signed": b"[" * 70 + b"]" * 70}, "body", "more than 64 arrays and objects", 422),
        ({"signed": b""}, "body", "there is none, and the document requires one", 422),
        ({"type": "text/plain"}, "body", "media type 'text/plain' is not documented", 422),
        ({"path": "/events/receipts/1"}, "path", "no callback of the document goes to such a path", 404),
        ({"path": "/events/invoices/"}, "path", "no callback of the document goes to such a path", 404),
        ({"path": "/events/invoices/a/b"}, "path", "no callback of the document goes to such a path", 404),
        ({"method": "PUT"}, "method", "PUT, and the document says POST", 405),
    ],
)
async def test_what_is_wrong_is_named_and_refused(
    changed: dict[str, Any], subject: str, words: str, status: int, tutorial: dict[str, Any], listening: Any
) -> None:
    secret = new_secret()
    async with listening(tutorial, secrets=[secret]) as there:
        body = changed.get("signed", BODY)
        headers = {
            **signed(secret, body, age=changed.get("age", 0)),
            "content-type": changed.get("type", "application/json"),
        }
        answer = await there.client.request(
            changed.get("method", "POST"),
            there.url + changed.get("path", PATH),
            content=changed.get("content", body),
            headers=changed.get("headers", headers),
        )
    wrong = {check.subject: check.text for check in there.last.checks if check.finding == "wrong"}
    assert set(wrong) == {subject}
    assert words in wrong[subject]
    assert answer.status_code == status
    assert words in answer.json()["detail"]
    assert not there.last.is_right


async def test_with_accept_all_what_is_wrong_is_shown_and_answered_all_the_same(
    tutorial: dict[str, Any], listening: Any
) -> None:
    async with listening(tutorial, secrets=[new_secret()], accept_all=True) as there:
        answer = await there.client.post(there.url + PATH, content=b"{}", headers=JSON)
    assert (answer.status_code, answer.json()) == (200, {"ok": True})
    assert there.findings() == {"path": "right", "body": "wrong", "signature": "wrong"}


async def test_a_script_counts_only_what_is_taken(tutorial: dict[str, Any], listening: Any) -> None:
    script = Script(["500", "429:retry-after=30", "not-ok", "wrong-shape", "ok"])
    async with listening(tutorial, script=script) as there:
        await there.client.post(there.url + PATH, content=b"{}", headers=JSON)
        await there.client.get(f"{there.url}/favicon.ico")
        answers = [await there.client.post(there.url + PATH, content=BODY, headers=JSON) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [500, 429, 200, 200, 200, 200]
    assert answers[1].headers["retry-after"] == "30"
    assert [answer.json() for answer in answers[2:4]] == [{"ok": False}, [{"unheard": "of"}]]
    assert answers[4].json() == answers[5].json() == {"ok": True}


async def test_attempts_of_one_delivery_are_counted(tutorial: dict[str, Any], listening: Any) -> None:
    secret = new_secret()
    async with listening(tutorial, secrets=[secret]) as there:
        for headers in (first := signed(secret), signed(secret), first):
            await there.client.post(there.url + PATH, content=BODY, headers={**JSON, **headers})
        entries = there.listener.journal.after(0)
    assert [entry.delivery for entry in entries] == [1, 1, 2]
    assert entries[2].message_id == entries[0].message_id


class Event(BaseModel):
    description: str
    paid: bool


class Received(BaseModel):
    ok: bool


async def test_what_ringback_delivers_is_right_by_both_kinds_of_signatures(
    listening: Any, sqlite_url: str
) -> None:
    router = APIRouter()

    @router.post("{$callback_url}/invoices/{$request.body.id}", response_model=Received)
    def invoice_notification(body: Event) -> Any: ...

    app = FastAPI()

    @app.post("/invoices/", callbacks=router.routes)
    def create_invoice(invoice: dict[str, Any], callback_url: str) -> None: ...

    ringback = Ringback(app, database=sqlite_url, allow_networks=["127.0.0.0/8"])
    async with ringback.running():
        async with ringback.transaction() as session:
            secret = await ringback.signing_secret(session)
            published = json.dumps(jwks([("k", await ringback.public_key(session))])).encode()
        keys = keys_of_jwks(published, source="jwks.json")
        async with listening(app.openapi(), secrets=[secret, *keys]) as there:
            async with ringback.transaction() as session:
                exchange = Exchange(query={"callback_url": there.url}, body={"id": "a/b ü"})
                await ringback.bind(session, create_invoice, key="1", exchange=exchange)
                event = Event(description="Zoë paid", paid=True)
                await ringback.to(session, key="1").send(invoice_notification, event)
            await drain(ringback)
            await assert_delivered(ringback, key="1")
            assert there.last.is_right
            assert {check.subject: check.text for check in there.last.checks} == {
                "path": "as documented",
                "headers": "as documented",
                "body": "as documented",
                "signature": "v1 and v1a verified",
            }
    await ringback.engine.dispose()


async def test_an_id_that_was_made_for_another_path_is_told(listening: Any, tutorial: dict[str, Any]) -> None:
    (item,) = tutorial["paths"]["/invoices/"]["post"]["callbacks"]["invoice_notification"].values()
    item["post"]["x-ringback-declared"] = "as Ringback publishes it"
    secret = new_secret()
    async with listening(tutorial, secrets=[secret]) as there:
        headers = {**JSON, **signed(secret, path="/events/invoices/another")}
        answer = await there.client.post(there.url + PATH, content=BODY, headers=headers)
    assert answer.status_code == 403
    assert "webhook-id was made for another path" in answer.json()["detail"]


def test_an_answer_of_ones_own_must_be_as_documented(tutorial: dict[str, Any]) -> None:
    Listener(tutorial, choose(tutorial), answer={"ok": False})
    with pytest.raises(RingbackError, match=r"breaks the document at \$"):
        Listener(tutorial, choose(tutorial), answer={"okay": True})


def test_what_is_no_key_set_is_refused() -> None:
    for text in (
        b"",
        b"[]",
        b'{"keys": [{"kty": "RSA"}]}',
        b'{"keys": [{"kty":"OKP","crv":"Ed25519","x":"AA"}]}',
    ):
        with pytest.raises(RingbackError, match=r"jwks.json holds no Ed25519 key"):
            keys_of_jwks(text, source="jwks.json")


async def test_memory_is_bounded_by_count_and_by_bytes(tutorial: dict[str, Any], listening: Any) -> None:
    async with listening(tutorial, journal=Journal(3, keep_bytes=100_000)) as there:
        for _ in range(5):
            await there.client.post(there.url + PATH, content=BODY, headers=JSON)
        assert [entry.number for entry in there.listener.journal.after(0)] == [3, 4, 5]
        large = json.dumps({"description": "x" * 60_000, "paid": True})
        for _ in range(2):
            await there.client.post(there.url + PATH, content=large, headers=JSON)
        assert [entry.number for entry in there.listener.journal.after(0)] == [7]
        assert there.listener.journal.find(5) is None


async def test_what_asks_for_a_head_gets_no_body(tutorial: dict[str, Any], listening: Any) -> None:
    (item,) = tutorial["paths"]["/invoices/"]["post"]["callbacks"]["invoice_notification"].values()
    item["head"] = {"responses": item.pop("post")["responses"]}
    async with listening(tutorial) as there:
        for target, status in {PATH: 200, "/elsewhere": 404, PATH + "?": 200}.items():
            answer = await there.client.head(there.url + target)
            assert (answer.status_code, answer.content) == (status, b"")


async def test_a_path_without_end_is_nobodys_at_once(tutorial: dict[str, Any], listening: Any) -> None:
    async with listening(tutorial) as there:
        answer = await there.client.post(f"{there.url}/{'invoices/' * 2000}x", content=BODY, headers=JSON)
    assert answer.status_code == 404
