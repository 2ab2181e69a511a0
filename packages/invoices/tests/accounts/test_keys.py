"""API keys over HTTP: what each may be used for, when it was last used, and that it can be revoked."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from invoices.accounts import service as accounts
from invoices.accounts.usage import KeyUses

pytestmark = pytest.mark.asyncio(loop_scope="module")

NEEDED = [
    ("POST", "/invoices/", "create"),
    ("GET", "/invoices/", "read"),
    ("GET", "/invoices/one", "read"),
    ("GET", "/invoices/one/pdf", "read"),
    ("POST", "/invoices/one/send", "manage"),
    ("POST", "/invoices/one/write-off", "manage"),
    ("POST", "/invoices/one/void", "manage"),
    ("POST", "/invoices/one/refund", "manage"),
    ("GET", "/invoices/one/events", "read"),
    ("GET", "/settings", "read"),
    ("PUT", "/settings", "manage"),
]

INVOICE = {"id": "one", "customer": "C", "total": 1}
BODIES = {("POST", "/invoices/"): INVOICE, ("PUT", "/settings"): {"callbacks": []}}


async def test_every_operation_that_asks_who_calls_names_the_scope_it_needs(
    service: Any, make_key: Any
) -> None:
    keys = {scope: await make_key(service, "acme", scope) for scope in ("create", "read", "manage")}
    assert (await service.send(INVOICE, headers=keys["create"])).status_code == 200
    operations = {
        (method.upper(), path.replace("{invoice_id}", "one"))
        for path, operations in service.app.openapi()["paths"].items()
        for method, operation in operations.items()
        if operation.get("security")
    }
    assert operations == {(method, path) for method, path, _ in NEEDED}
    for method, path, needed in NEEDED:
        body = {"json": BODIES[method, path]} if (method, path) in BODIES else {}
        for scope, key in keys.items():
            answer = await service.client.request(method, path, headers=key, **body)
            if scope == needed:
                # What was voided just now has no money to give back.
                assert answer.status_code == (409 if path.endswith("/refund") else 200), answer.text
                continue
            assert answer.status_code == 403
            assert answer.headers["content-type"] == "application/problem+json"
            assert (
                answer.headers["www-authenticate"] == f'Bearer error="insufficient_scope", scope="{needed}"'
            )
            assert f"the scope {needed}" in answer.json()["detail"]
            assert f"yours has: {scope}" in answer.json()["detail"]


async def test_a_missing_scope_tells_nothing_about_what_exists(service: Any, make_key: Any) -> None:
    creator = await make_key(service, "acme", "create")
    await service.send({"id": "there", "customer": "C", "total": 1}, headers=creator)
    answers = [
        await service.client.get(f"/invoices/{name}", headers=creator) for name in ("there", "nowhere")
    ]
    assert {answer.status_code for answer in answers} == {403}
    assert answers[0].text == answers[1].text


async def test_several_keys_work_side_by_side_until_one_is_revoked(service: Any, make_key: Any) -> None:
    first, second = await make_key(service, "acme"), await make_key(service, "acme")
    for key in (first, second):
        assert (await service.client.get("/invoices/", headers=key)).status_code == 200
    prefix = first["Authorization"].removeprefix("Bearer ")[:12]
    async with service.app.state.sessions.begin() as session:
        revoked = await accounts.revoke_key(session, prefix)
        assert revoked.account_id == "acme"
    refusal = await service.client.get("/invoices/", headers=first)
    assert refusal.status_code == 401
    assert "was revoked" in refusal.json()["detail"]
    assert (await service.client.get("/invoices/", headers=second)).status_code == 200


async def test_when_the_last_key_is_revoked_the_service_stays_closed(service: Any, make_key: Any) -> None:
    key = await make_key(service, "acme")
    async with service.app.state.sessions.begin() as session:
        await accounts.revoke_key(session, key["Authorization"].removeprefix("Bearer "))
    assert (await service.client.get("/invoices/")).status_code == 401


async def test_a_keys_last_use_is_written_behind_the_requests(service: Any, make_key: Any) -> None:
    key = await make_key(service, "acme")
    before = datetime.now(UTC)
    for _ in range(3):
        assert (await service.client.get("/invoices/", headers=key)).status_code == 200
    await service.app.state.key_uses.write()
    async with service.app.state.sessions() as session:
        (row,) = await accounts.keys_of(session, "acme")
    assert row.last_used_at is not None
    assert before <= row.last_used_at <= datetime.now(UTC)


async def test_a_use_is_written_once_a_minute_and_a_later_one_is_kept(service: Any, make_key: Any) -> None:
    key = await make_key(service, "acme")
    prefix = key["Authorization"].removeprefix("Bearer ")[:12]
    now = 1000.0
    uses = KeyUses(service.app.state.sessions, clock=lambda: now)

    async def stored() -> datetime | None:
        async with service.app.state.sessions() as session:
            (row,) = await accounts.keys_of(session, "acme")
        return row.last_used_at

    uses.note(prefix)
    await uses.write()
    first = await stored()
    now += 59
    uses.note(prefix)
    await uses.write()
    assert await stored() == first
    now += 1
    uses.note(prefix)
    await uses.write()
    second = await stored()
    assert first is not None
    assert second is not None
    assert second > first
    async with service.app.state.sessions.begin() as session:
        (row,) = await accounts.keys_of(session, "acme")
        row.last_used_at = later = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    now += 60
    uses.note(prefix)
    await uses.write()
    assert await stored() == later


async def test_a_use_that_cannot_be_stored_disturbs_nobody(
    service: Any, make_key: Any, caplog: pytest.LogCaptureFixture
) -> None:
    key = await make_key(service, "acme")
    async with service.app.state.engine.begin() as connection:
        await connection.execute(text("ALTER TABLE api_keys RENAME COLUMN last_used_at TO elsewhere"))
    try:
        uses = KeyUses(service.app.state.sessions)
        uses.note(key["Authorization"].removeprefix("Bearer ")[:12])
        await uses.write()
    finally:
        async with service.app.state.engine.begin() as connection:
            await connection.execute(text("ALTER TABLE api_keys RENAME COLUMN elsewhere TO last_used_at"))
    assert "could not be stored" in caplog.text
    assert key["Authorization"].removeprefix("Bearer ") not in caplog.text
