"""The same request at once to two processes' worth of service: one invoice, one answer (f75, I21)."""

import asyncio
import json
from collections import Counter
from typing import Any

import pytest

from invoices.accounts import service as accounts

INVOICE = {"id": "twin", "customer": "C", "total": "12.50"}


async def post(service: Any, invoice: Any, **headers: str) -> tuple[int, bytes]:
    answer = await service.send(invoice, headers=headers)
    return answer.status_code, answer.content


async def test_f75_twins_in_two_processes_make_one_invoice_and_get_one_answer(
    start_service: Any,
) -> None:
    # Two applications on one database share nothing in memory, like two processes.
    async with start_service() as first, start_service() as second:
        for round_ in range(5):
            invoice = INVOICE | {"id": f"twin-{round_}"}
            key = {"Idempotency-Key": f"key-{round_}"}
            answers = await asyncio.gather(
                *(post(service, invoice, **key) for service in (first, second) * 6)
            )
            codes = Counter(code for code, _ in answers)
            assert codes[200] >= 1
            assert set(codes) <= {200, 409}
            assert len({body for code, body in answers if code == 200}) == 1
            for code, body in answers:
                if code == 409:
                    assert json.loads(body)["errors"][0]["field"] == "Idempotency-Key"
            assert await first.count("invoices") == round_ + 1
            assert await first.count("stored_answers") == round_ + 1
            assert await first.count("ringback_deliveries") == round_ + 1


async def test_f75_without_a_key_the_id_makes_twins_one(start_service: Any) -> None:
    async with start_service() as first, start_service() as second:
        answers = await asyncio.gather(*(post(service, INVOICE) for service in (first, second) * 6))
        assert {code for code, _ in answers} == {200}
        assert len({body for _, body in answers}) == 1
        assert await first.count("invoices") == 1
        assert await first.count("ringback_deliveries") == 1


async def test_i21_the_stored_answer_is_the_same_bytes_whatever_has_happened_since(
    start_service: Any,
) -> None:
    async with start_service() as service:
        key = {"Idempotency-Key": "once"}
        first = await post(service, INVOICE, **key)
        assert (await service.client.post("/invoices/twin/void")).status_code == 200
        assert await post(service, INVOICE, **key) == first
    async with start_service() as restarted:
        assert await post(restarted, INVOICE, **key) == first
        written_otherwise = '{ "total": 12.50, "customer": "C", "id": "twin" }'
        assert await post(restarted, written_otherwise, **key) == first
        code, body = await post(restarted, INVOICE | {"total": "12.51"}, **key)
        assert code == 422
        assert json.loads(body)["errors"][0]["field"] == "Idempotency-Key"
        assert await restarted.count("ringback_deliveries") == 1


async def test_f75_the_same_key_of_another_account_is_another_key_also_at_once(start_service: Any) -> None:
    async with start_service() as service:
        headers = []
        async with service.app.state.sessions.begin() as session:
            for name in ("acme", "other"):
                made = await accounts.create(session, service.app.state.ringback, name)
                headers.append({"Authorization": f"Bearer {made.api_key}", "Idempotency-Key": "same"})
        answers = await asyncio.gather(*(post(service, INVOICE, **own) for own in headers))
        assert [code for code, _ in answers] == [200, 200]
        assert answers[0][1] != answers[1][1]
        assert await service.count("invoices") == 2


@pytest.mark.parametrize("broken", ["{", '{"id": "twin"}', '{"id": "twin", "customer": "C", "total": -1}'])
async def test_f75_a_request_that_was_refused_uses_no_key_up(start_service: Any, broken: str) -> None:
    async with start_service() as service:
        key = {"Idempotency-Key": "once"}
        assert (await post(service, broken, **key))[0] in (400, 422)
        assert await service.count("stored_answers") == 0
        assert (await post(service, INVOICE, **key))[0] == 200
