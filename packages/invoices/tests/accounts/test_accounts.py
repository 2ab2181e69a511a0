"""Accounts over HTTP: keys open the door, and each account sees only its own."""

from typing import Any

import pytest

from invoices.accounts import service as accounts

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def make(service: Any, name: str) -> dict[str, str]:
    async with service.app.state.sessions.begin() as session:
        made = await accounts.create(session, service.app.state.ringback, name)
    return {"Authorization": f"Bearer {made.api_key}"}


async def test_once_a_key_exists_nobody_comes_in_without_one(service: Any) -> None:
    assert (await service.send()).status_code == 200
    key = await make(service, "acme")
    refusal = await service.client.get("/invoices/")
    assert refusal.status_code == 401
    assert refusal.headers["www-authenticate"] == "Bearer"
    assert refusal.headers["content-type"] == "application/problem+json"
    assert refusal.json()["errors"][0]["field"] == "Authorization"
    assert (await service.client.get("/invoices/", headers=key)).status_code == 200


@pytest.mark.parametrize(
    "header",
    ["Bearer", "Bearer inv_00000000_" + "a" * 43, "Basic YTpi", "Bearer a b", "inv_x", "é"],
)
async def test_a_wrong_key_is_refused_also_in_the_open_mode(service: Any, header: str) -> None:
    headers = {"Authorization": header.encode("latin-1")}
    assert (await service.client.get("/invoices/", headers=headers)).status_code == 401
    await make(service, "acme")
    assert (await service.client.get("/invoices/", headers=headers)).status_code == 401


async def test_a_key_with_one_other_letter_is_refused(service: Any) -> None:
    key = (await make(service, "acme"))["Authorization"]
    wrong = key[:-1] + ("A" if key[-1] != "A" else "B")
    assert (await service.client.get("/invoices/", headers={"Authorization": wrong})).status_code == 401


async def test_each_account_sees_and_uses_only_its_own_ids(service: Any) -> None:
    acme, other = await make(service, "acme"), await make(service, "other")
    first = await service.send({"id": "1", "customer": "A", "total": 1}, headers=acme)
    second = await service.send({"id": "1", "customer": "B", "total": 2}, headers=other)
    assert (first.status_code, second.status_code) == (200, 200)
    assert (await service.client.get("/invoices/1", headers=acme)).json()["customer"] == "A"
    assert (await service.client.get("/invoices/1", headers=other)).json()["customer"] == "B"
    await service.send({"id": "only-acme", "customer": "A", "total": 1}, headers=acme)
    for method, path in [
        ("GET", "/invoices/only-acme"),
        ("GET", "/invoices/only-acme/pdf"),
        ("POST", "/invoices/only-acme/void"),
    ]:
        assert (await service.client.request(method, path, headers=other)).status_code == 404
    listed = (await service.client.get("/invoices/", headers=other)).json()["invoices"]
    assert [invoice["id"] for invoice in listed] == ["1"]
    foreign = await service.client.get("/invoices/", params={"cursor": "only-acme"}, headers=other)
    assert foreign.status_code == 422


async def test_idempotency_keys_of_two_accounts_are_two_keys(service: Any) -> None:
    acme, other = await make(service, "acme"), await make(service, "other")
    key = {"Idempotency-Key": "same"}
    first = await service.send({"id": "1", "customer": "A", "total": 1}, headers=acme | key)
    second = await service.send({"id": "2", "customer": "B", "total": 2}, headers=other | key)
    assert (first.json()["id"], second.json()["id"]) == ("1", "2")


async def test_a_disabled_account_is_refused(service: Any) -> None:
    key = await make(service, "acme")
    async with service.app.state.sessions.begin() as session:
        await accounts.disable(session, "acme")
    assert (await service.client.get("/invoices/", headers=key)).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "pay.example"},
        {"X-Forwarded-For": "127.0.0.1"},
        {"X-Forwarded-Host": "localhost"},
        {"Forwarded": "for=127.0.0.1"},
    ],
)
async def test_the_open_mode_refuses_what_only_looks_local(service: Any, headers: dict[str, str]) -> None:
    refusal = await service.send(headers=headers)
    assert refusal.status_code == 403
    assert refusal.headers["content-type"] == "application/problem+json"
    assert "accounts create" in refusal.json()["detail"]
    assert await service.stored() == {}
    key = await make(service, "acme")
    assert (await service.send(headers=headers | key)).status_code == 200


async def test_keys_are_stored_as_digests_only(service: Any) -> None:
    from sqlalchemy import text

    key = (await make(service, "acme"))["Authorization"].removeprefix("Bearer ")
    async with service.app.state.engine.connect() as connection:
        rows = (await connection.execute(text("SELECT * FROM api_keys"))).all()
    assert key not in str(rows)
    assert key.split("_")[-1] not in str(rows)
