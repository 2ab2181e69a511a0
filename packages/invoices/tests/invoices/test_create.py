"""Sending an invoice: what is answered, what is stored, and what happens when it is sent again."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from sqlalchemy import text

pytestmark = pytest.mark.asyncio(loop_scope="module")

CALLBACK = "https://www.external.org/events"


async def test_the_tutorials_request_gets_the_tutorials_answer(service: Any) -> None:
    answer = await service.send(callback_url=CALLBACK)
    assert answer.status_code == 200
    body = answer.json()
    assert body["msg"] == "Invoice received"
    assert body["id"] == "2expen51ve"
    assert body["customer"] == "Mr. Richie Rich"
    assert (body["total"], body["currency"], body["status"]) == ("9999.00", "USD", "open")
    assert body["pay_url"].startswith("https://pay.example/pay/")
    assert body["callback_url"] == CALLBACK


async def test_an_answer_implies_committed_rows_in_one_database(service: Any) -> None:
    await service.send(callback_url=CALLBACK)
    assert await service.stored() == {"invoices": 1, "ringback_targets": 1, "ringback_deliveries": 1}
    async with service.app.state.engine.connect() as connection:
        target = (await connection.execute(text("SELECT owner, key, urls FROM ringback_targets"))).one()
        both = "ringback_deliveries JOIN ringback_messages USING (id)"
        mail = (await connection.execute(text(f"SELECT channel, state FROM {both}"))).one()
    assert target[:2] == ("default", "2expen51ve")
    assert f"{CALLBACK}/invoices/2expen51ve" in str(target[2])
    assert tuple(mail) == ("mail", "pending")


async def test_without_a_callback_url_nobody_is_called_and_all_else_works(service: Any) -> None:
    answer = await service.send()
    assert answer.status_code == 200
    assert answer.json()["callback_url"] is None
    assert await service.stored() == {"invoices": 1, "ringback_targets": 1, "ringback_deliveries": 1}


@pytest.mark.parametrize(
    ("total", "minor"),
    [
        ('"9999"', 999_900),
        ("9999", 999_900),
        ("0.1", 10),
        ("1234567890.12", 123_456_789_012),
        ("1e2", 10_000),
        ("100000000000.07", 10_000_000_000_007),
    ],
)
async def test_the_total_is_stored_exactly_as_it_was_written(service: Any, total: str, minor: int) -> None:
    answer = await service.send(f'{{"id": "1", "customer": "C", "total": {total}}}')
    assert answer.status_code == 200, answer.text
    async with service.app.state.engine.connect() as connection:
        assert await connection.scalar(text("SELECT total_minor FROM invoices")) == minor


async def test_the_currency_decides_the_decimals(service: Any) -> None:
    yen = await service.send({"id": "1", "customer": "C", "total": 500, "currency": "JPY"})
    assert (yen.json()["total"], yen.json()["currency"]) == ("500", "JPY")
    dinar = await service.send({"id": "2", "customer": "C", "total": "1.230", "currency": "KWD"})
    assert dinar.json()["total"] == "1.230"


async def test_the_same_invoice_sent_again_gets_the_same_answer_and_makes_nothing(service: Any) -> None:
    first = await service.send(callback_url=CALLBACK)
    before = await service.stored()
    again = await service.send({**json.loads(first.request.content), "total": 9999.00}, callback_url=CALLBACK)
    assert again.status_code == 200
    assert again.json() == first.json()
    assert await service.stored() == before


@pytest.mark.parametrize(
    "change", [{"total": "9998"}, {"customer": "Mr. Poor"}, {"title": "A title"}, {"currency": "EUR"}]
)
async def test_another_invoice_under_the_same_id_is_a_conflict(service: Any, change: dict[str, str]) -> None:
    await service.send(callback_url=CALLBACK)
    before = await service.stored()
    refusal = await service.send(
        {"id": "2expen51ve", "customer": "Mr. Richie Rich", "total": "9999", **change}, callback_url=CALLBACK
    )
    assert refusal.status_code == 409
    assert refusal.headers["content-type"] == "application/problem+json"
    assert refusal.json()["errors"][0]["field"] == "id"
    assert await service.stored() == before


@pytest.mark.parametrize("other", [None, "https://elsewhere.example/events"])
async def test_another_callback_url_for_the_invoice_is_a_conflict(service: Any, other: str | None) -> None:
    await service.send(callback_url=CALLBACK)
    before = await service.stored()
    refusal = await service.send(callback_url=other)
    assert refusal.status_code == 409
    found = refusal.json()["errors"][0]
    assert (found["field"], found["place"]) == ("callback_url", "query")
    assert await service.stored() == before


async def test_twins_that_arrive_at_once_make_one_invoice(service: Any) -> None:
    answers = await asyncio.gather(*(service.send(callback_url=CALLBACK) for _ in range(12)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert await service.stored() == {"invoices": 1, "ringback_targets": 1, "ringback_deliveries": 1}


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "APPLICATION/JSON"])
async def test_json_under_its_other_names_is_read(service: Any, content_type: str) -> None:
    assert (await service.send(headers={"Content-Type": content_type})).status_code == 200


class TestIdempotencyKey:
    """The header `Idempotency-Key` (f75)."""

    async def test_the_same_request_gets_the_stored_answer(self, service: Any) -> None:
        first = await service.send(callback_url=CALLBACK, headers={"Idempotency-Key": "k-1"})
        again = await service.send(callback_url=CALLBACK, headers={"Idempotency-Key": "k-1"})
        assert (first.status_code, again.status_code) == (200, 200)
        assert again.content == first.content
        assert (await service.stored())["stored_answers"] == 1

    async def test_the_stored_answer_stays_as_it_was_when_the_invoice_changes(self, service: Any) -> None:
        first = await service.send(headers={"Idempotency-Key": "k-1"})
        await service.client.post("/invoices/2expen51ve/void")
        again = await service.send(headers={"Idempotency-Key": "k-1"})
        assert again.json() == first.json()
        assert (await service.send()).json()["status"] == "void"

    @pytest.mark.parametrize(
        ("change", "callback_url"),
        [({"total": "1"}, CALLBACK), ({"id": "other"}, CALLBACK), ({}, None), ({}, f"{CALLBACK}/2")],
    )
    async def test_another_request_under_the_key_is_refused(
        self, service: Any, change: dict[str, str], callback_url: str | None
    ) -> None:
        invoice = {"id": "2expen51ve", "customer": "Mr. Richie Rich", "total": "9999"}
        await service.send(invoice, callback_url=CALLBACK, headers={"Idempotency-Key": "k-1"})
        before = await service.stored()
        refusal = await service.send(
            invoice | change, callback_url=callback_url, headers={"Idempotency-Key": "k-1"}
        )
        assert refusal.status_code == 422
        assert refusal.json()["errors"][0]["field"] == "Idempotency-Key"
        assert await service.stored() == before

    async def test_a_refused_request_leaves_the_key_free(self, service: Any) -> None:
        refusal = await service.send({"id": "1", "customer": "C"}, headers={"Idempotency-Key": "k-1"})
        assert refusal.status_code == 422
        assert (await service.send(headers={"Idempotency-Key": "k-1"})).status_code == 200

    async def test_twins_at_once_get_the_one_answer_or_are_told_to_wait(self, service: Any) -> None:
        answers = await asyncio.gather(*(service.send(headers={"Idempotency-Key": "k-1"}) for _ in range(10)))
        codes = {answer.status_code for answer in answers}
        assert 200 in codes <= {200, 409}
        assert len({answer.text for answer in answers if answer.status_code == 200}) == 1
        assert all(
            answer.json()["errors"][0]["field"] == "Idempotency-Key"
            for answer in answers
            if answer.status_code == 409
        )
        assert await service.count("invoices") == 1

    async def test_after_a_day_the_key_means_a_new_request(self, service: Any) -> None:
        await service.send(headers={"Idempotency-Key": "k-1"})
        async with service.app.state.engine.begin() as connection:
            await connection.execute(
                text("UPDATE stored_answers SET created_at = '2020-01-01 00:00:00+00:00'")
            )
        other = {"id": "other", "customer": "C", "total": 1}
        assert (await service.send(other, headers={"Idempotency-Key": "k-1"})).status_code == 200
        assert (await service.stored())["stored_answers"] == 1

    @pytest.mark.parametrize("key", ["", "a b", "k" * 256])
    async def test_a_key_must_be_a_short_word(self, service: Any, key: str) -> None:
        refusal = await service.send(headers={"Idempotency-Key": key})
        assert refusal.status_code == 422
        assert refusal.json()["errors"][0]["place"] == "header"
        assert await service.stored() == {}


async def test_the_links_begin_with_the_set_address_whatever_host_is_asked(service: Any) -> None:
    port = service.client.base_url.port
    answer = await service.send(headers={"Host": f"localhost:{port}"})
    assert answer.json()["pay_url"].startswith("https://pay.example/pay/")


async def test_the_connection_can_be_used_on_after_a_refusal(service: Any) -> None:
    for _ in range(3):
        assert (await service.send({"id": "1"})).status_code == 422
    assert (await service.send()).status_code == 200
    assert isinstance(service.client, httpx.AsyncClient)
