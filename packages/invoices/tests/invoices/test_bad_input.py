"""Bad input: each gets a problem document that names the field and the reason, and nothing is stored."""

import json
from typing import Any

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")

GOOD = {"id": "2expen51ve", "customer": "Mr. Richie Rich", "total": "9999"}


async def refused(
    service: Any, body: Any, status: int, field: str, *, place: str = "body", **options: Any
) -> dict[str, Any]:
    answer = await service.send(body, **options)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert problem["title"]
    named = [(found["place"], found["field"]) for found in problem["errors"]]
    assert (place, field) in named, problem
    assert all(found["reason"] for found in problem["errors"])
    assert len(answer.content) < 5_000
    assert await service.stored() == {}
    return problem


@pytest.mark.parametrize("field", ["id", "customer", "total"])
async def test_missing_fields_are_named(shared_service: Any, field: str) -> None:
    body = {name: value for name, value in GOOD.items() if name != field}
    problem = await refused(shared_service, body, 422, field)
    assert problem["errors"][0]["reason"] == "is required"


async def test_all_missing_fields_are_named_at_once(shared_service: Any) -> None:
    problem = await refused(shared_service, {}, 422, "id")
    assert [found["field"] for found in problem["errors"]] == ["id", "customer", "total"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", 5),
        ("id", None),
        ("id", True),
        ("id", ""),
        ("id", " x"),
        ("id", "a/b"),
        ("id", "a\\b"),
        ("id", "."),
        ("id", ".."),
        ("id", "a\nb"),
        ("id", "a\u0000b"),
        ("id", "a\u202eb"),
        ("id", "x" * 256),
        ("customer", None),
        ("customer", 1.5),
        ("customer", ["Mr. Rich"]),
        ("customer", ""),
        ("customer", "a\r\nBcc: all@example.org"),
        ("customer", "=?utf-8?q?a=0d=0aBcc:_x@y?="),
        ("customer", "x" * 201),
        ("title", 5),
        ("title", "a\u0000"),
        ("title", "x" * 1_000),
        ("customer_email", "nobody"),
        ("customer_email", "a@b\n"),
        ("customer_email", "a@example.org, b@example.org"),
        ("currency", "usd"),
        ("currency", "XXX"),
        ("currency", "DOLLARS"),
        ("currency", 5),
        ("curency", "EUR"),
    ],
)
async def test_wrong_values_are_named(shared_service: Any, field: str, value: Any) -> None:
    await refused(shared_service, {**GOOD, field: value}, 422, field)


@pytest.mark.parametrize(
    ("total", "words"),
    [
        ('"1e400"', "plain digits"),
        ("1e400", "too large"),
        ("1e999999999", "too large"),
        ("NaN", "NaN is not an amount"),
        ("Infinity", "Infinity is not an amount"),
        ("-Infinity", "not an amount"),
        ('"NaN"', "plain digits"),
        ('"Infinity"', "plain digits"),
        ("true", "number or as text"),
        ("false", "number or as text"),
        ("null", "number or as text"),
        ("[1]", "number or as text"),
        ('"１２"', "plain digits"),
        ('"1_000"', "plain digits"),
        ('" 5 "', "plain digits"),
        ('"5 000"', "plain digits"),
        ('"1,000.00"', "plain digits"),
        ('""', "plain digits"),
        ("-5", "more than zero"),
        ('"-5"', "more than zero"),
        ("0", "more than zero"),
        ('"0.00"', "more than zero"),
        ("-0.0", "more than zero"),
        ("0.001", "2 decimal places"),
        ('"9999.999"', "2 decimal places"),
        ("100000000000.070000001", "2 decimal places"),
        ("1000000000000", "too large"),
        ("9" * 100_000, "too large"),
        ("0." + "1" * 100_000, "2 decimal places"),
    ],
)
async def test_amounts_that_are_none_are_refused_in_words(
    shared_service: Any, total: str, words: str
) -> None:
    body = f'{{"id": "1", "customer": "C", "total": {total}}}'
    problem = await refused(shared_service, body, 422, "total")
    assert words in problem["errors"][0]["reason"]


async def test_a_title_of_a_megabyte_is_too_large_to_read(shared_service: Any) -> None:
    await refused(shared_service, {**GOOD, "title": "x" * 1_000_000}, 413, "body")


async def test_a_chunked_body_is_cut_off_at_the_same_size(shared_service: Any) -> None:
    async def endless() -> Any:
        for _ in range(400):
            yield b" " * 1024

    answer = await shared_service.client.post(
        "/invoices/", content=endless(), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 413
    assert answer.json()["errors"][0]["field"] == "body"


@pytest.mark.parametrize("depth", [51, 1_000, 100_000])
async def test_deep_nesting_is_refused_before_it_is_parsed(shared_service: Any, depth: int) -> None:
    problem = await refused(shared_service, "[" * depth + "]" * depth, 400, "body")
    assert "50 levels" in problem["detail"]
    await refused(shared_service, '{"":' * (depth // 2) + "[" * (depth // 2 + 1), 400, "body")


@pytest.mark.parametrize("body", ["", "{", "nonsense", "{'id': 1}", '{"id": 1,}', '{"id": "\n"}', "\ufeff{}"])
async def test_what_is_no_json_is_refused(shared_service: Any, body: str) -> None:
    answer = await shared_service.send(body)
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"][0]["field"] == "body"
    assert await shared_service.stored() == {}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "latin-1"])
async def test_only_utf8_is_read(shared_service: Any, encoding: str) -> None:
    body = json.dumps({**GOOD, "customer": "Müller"}, ensure_ascii=False).encode(encoding)
    problem = await refused(shared_service, body, 400, "body")
    assert "JSON" in problem["detail"]


@pytest.mark.parametrize("body", ["[]", '"text"', "5", "null"])
async def test_json_that_is_no_object_is_refused(shared_service: Any, body: str) -> None:
    await refused(shared_service, body, 422, "body")


async def test_half_a_surrogate_pair_is_no_text(shared_service: Any) -> None:
    await refused(shared_service, '{"id": "1", "customer": "\\ud800", "total": 1}', 422, "customer")
    await refused(shared_service, '{"id": "\\udfff", "customer": "C", "total": 1}', 422, "id")


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "application/x-www-form"])
async def test_another_content_type_is_refused(shared_service: Any, content_type: str) -> None:
    await refused(
        shared_service, GOOD, 415, "content-type", place="header", headers={"Content-Type": content_type}
    )


async def test_no_content_type_is_refused(shared_service: Any) -> None:
    answer = await shared_service.client.post("/invoices/", content=json.dumps(GOOD).encode())
    assert answer.status_code == 415
    assert await shared_service.stored() == {}


@pytest.mark.parametrize(
    "url",
    [
        "",
        "events",
        "/events",
        "//www.external.org/events",
        "www.external.org",
        "ftp://www.external.org/events",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://user@www.external.org/events",
        "https://user:secret@www.external.org/events",
        "https://www.external.org/events#part",
        "https://www.external.org/events#",
        "http://127.0.0.1/events",
        "http://127.0.0.1:8000/events",
        "http://10.0.0.1/events",
        "http://192.168.1.1/events",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]/events",
        "http://[::ffff:127.0.0.1]/events",
        "http://0x7f000001/events",
        "http://2130706433/events",
        "http://127.1/events",
        "http://localhost/events",
        "http://metadata.google.internal/",
        "https://www.external.org:22/events",
        "https://www.external.org/a b",
        "https://www.external.org/\r\nX: y",
        "https://www.external.org\\@127.0.0.1/",
        "https://ｅxternal.org/events",
        "https://www.external.org/" + "x" * 2_100,
        "{$request.query.callback_url}",
    ],
)
async def test_a_callback_url_that_must_not_be_called_is_refused(shared_service: Any, url: str) -> None:
    problem = await refused(shared_service, GOOD, 422, "callback_url", place="query", callback_url=url)
    for address in ("127.0.0.1", "169.254", "private", "loopback", "resolve"):
        assert address not in problem["detail"]


async def test_a_callback_url_given_twice_is_refused(shared_service: Any) -> None:
    answer = await shared_service.client.post(
        "/invoices/?callback_url=https://a.example/&callback_url=https://b.example/", json=GOOD
    )
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "callback_url"
    assert await shared_service.stored() == {}


async def test_the_refused_value_is_not_repeated(shared_service: Any) -> None:
    answer = await shared_service.send({**GOOD, "customer": "<script>" * 100})
    assert "<script>" not in answer.text
