"""Stored answers are encrypted, open only in their place, and survive a change of the server key."""

from typing import Any

import pytest
from sqlalchemy import text

from invoices.invoices.answer_seal import AnswerSeal

OLD, NEW = b"o" * 32, b"n" * 48


def test_an_answer_opens_in_its_place_only() -> None:
    seal = AnswerSeal([OLD])
    stored = seal.seal('{"é": 1}', "acme", "k-1")
    assert seal.open(stored, "acme", "k-1") == '{"é": 1}'
    assert seal.open(stored, "other", "k-1") is None
    assert seal.open(stored, "acme", "k-2") is None
    assert seal.open(stored[:-1] + bytes([stored[-1] ^ 1]), "acme", "k-1") is None
    assert seal.seal('{"é": 1}', "acme", "k-1") != stored


def test_a_new_server_key_takes_over() -> None:
    stored = AnswerSeal([OLD]).seal("answer", "acme", "k")
    assert AnswerSeal([NEW, OLD]).open(stored, "acme", "k") == "answer"
    assert AnswerSeal([NEW]).open(stored, "acme", "k") is None
    assert AnswerSeal([NEW]).open(AnswerSeal([NEW, OLD]).seal("answer", "acme", "k"), "acme", "k") == "answer"


@pytest.mark.asyncio(loop_scope="module")
async def test_the_link_is_not_in_the_database_and_a_lost_key_only_loses_the_stored_answer(
    service: Any,
) -> None:
    key = {"Idempotency-Key": "k-1"}
    first = await service.send(headers=key)
    token = first.json()["pay_url"].rpartition("/")[2]
    async with service.app.state.engine.begin() as connection:
        rows = (await connection.execute(text("SELECT body FROM stored_answers"))).all()
        assert rows
        assert token.encode() not in bytes(rows[0].body)
        await connection.execute(
            text("UPDATE stored_answers SET body = :lost"), {"lost": AnswerSeal([OLD]).seal("x", "a", "b")}
        )
    again = await service.send(headers=key)
    assert again.status_code == 200
    assert again.content == first.content
    assert await service.count("stored_answers") == 1
