"""Every route of the document with another account's ids: as if nothing were there (t34, I26)."""

from collections.abc import Iterator
from typing import Any

import pytest
import pytest_asyncio
from testkit.routes import served_routes

from invoices.accounts import service as accounts

pytestmark = pytest.mark.asyncio(loop_scope="module")

# What is asked in the place of each path parameter. A new parameter needs its line here.
FOREIGN = {"invoice_id": "hers"}
MISSING = {"invoice_id": "nobodys"}
SECRETS = ("hers", "Her Customer", "her-callback", "8765.43")
# Not asked for by API users: the provider signs its events, and public keys are public.
WITHOUT_ACCOUNT = {"/payments/stripe", "/.well-known/jwks.json"}

# Routes that no document tells of, and what opens them instead of an account's key.
HIDDEN = (
    *("/openapi.json", "/docs", "/favicon.ico", "/static/", "/pages/"),  # the same for everybody
    "/pay/{token}",  # the link itself
    "/callback-tests",  # a manager's key, and what is sent is that account's own
    "/sandbox/",  # the provider's stand-in: its own key, and links that cannot be guessed
    "/console/",  # the operator's secret
    *("/healthz", "/readyz"),  # for everybody, and they say no more than whether it goes
    "/metrics",  # the monitoring's token, or this machine
)

BODIES = {
    ("POST", "/invoices/"): {"id": "his", "customer": "C", "total": 1},
    ("PUT", "/settings"): {"callbacks": ["overdue"]},
}


def operations(app: Any) -> Iterator[tuple[str, str]]:
    for path, described in app.openapi()["paths"].items():
        if path not in WITHOUT_ACCOUNT:
            yield from ((method.upper(), path) for method in described)


async def key_of(service: Any, name: str) -> dict[str, str]:
    async with service.app.state.sessions.begin() as session:
        made = await accounts.create(session, service.app.state.ringback, name)
    return {"Authorization": f"Bearer {made.api_key}"}


@pytest_asyncio.fixture(loop_scope="module")
async def two(service: Any) -> tuple[dict[str, str], dict[str, str]]:
    """The keys of two accounts, of which the first has an invoice with a callback."""
    hers, his = await key_of(service, "hers-account"), await key_of(service, "his-account")
    invoice = {"id": "hers", "customer": "Her Customer", "total": "8765.43"}
    sent = await service.send(invoice, callback_url="https://www.external.org/her-callback", headers=hers)
    assert sent.status_code == 200
    return hers, his


async def test_every_operation_on_a_foreign_id_is_404_like_one_that_never_was(service: Any, two: Any) -> None:
    hers, his = two
    before = (await service.client.get("/invoices/hers", headers=hers)).json()
    tried = 0
    for method, path in operations(service.app):
        if "{" not in path:
            continue
        foreign = await service.client.request(method, path.format_map(FOREIGN), headers=his)
        missing = await service.client.request(method, path.format_map(MISSING), headers=his)
        assert foreign.status_code == missing.status_code == 404, (method, path, foreign.text)
        assert foreign.text == missing.text
        tried += 1
    assert tried >= 7
    assert (await service.client.get("/invoices/hers", headers=hers)).json() == before


async def test_no_route_is_left_out_here_but_those_that_are_named(service: Any) -> None:
    routes = list(served_routes(service.app))
    walked = {path for _, path in operations(service.app)} | WITHOUT_ACCOUNT
    left_out = {route.path for route in routes if route.path not in walked}
    assert {path for path in left_out if not path.startswith(HIDDEN)} == set(), "whose is this route?"
    assert {route.path for route in routes if route.documented} == walked
    assert any(path.startswith("/pay/") for path in left_out)


async def test_nothing_foreign_is_in_any_answer_without_an_id(service: Any, two: Any) -> None:
    _hers, his = two
    for method, path in operations(service.app):
        if "{" in path:
            continue
        body = {"json": BODIES[method, path]} if (method, path) in BODIES else {}
        answer = await service.client.request(method, path, headers=his, **body)
        assert answer.status_code == 200, (method, path)
        assert not [secret for secret in SECRETS if secret in answer.text], (method, path)


async def test_the_same_id_is_another_invoice_in_each_account(service: Any, two: Any) -> None:
    hers, his = two
    own = await service.send({"id": "hers", "customer": "His Customer", "total": 1}, headers=his)
    assert own.status_code == 200
    assert (await service.client.post("/invoices/hers/void", headers=his)).json()["status"] == "void"
    assert (await service.client.get("/invoices/hers", headers=hers)).json()["status"] == "open"
    assert (await service.client.get("/invoices/hers", headers=his)).json()["customer"] == "His Customer"


async def test_the_open_modes_account_is_foreign_to_the_others_too(service: Any) -> None:
    await service.send({"id": "early", "customer": "C", "total": 1})
    key = await key_of(service, "acme")
    assert (await service.client.get("/invoices/early", headers=key)).status_code == 404
    assert (await service.client.get("/invoices/", headers=key)).json()["invoices"] == []
