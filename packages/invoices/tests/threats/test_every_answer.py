"""Threats t33 and t37: every answer of every route, mounted applications included, says what a browser may do
with it; no route reads a body without end or depth. The routes are found by walking the
application, so one that is new is asked as well.
"""

import itertools
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from testkit.routes import served_routes

from invoices.limits import MAX_BODY

CONSOLE_SECRET = "an-operator-keeps-this-to-himself-0123456789"
PARAMETER = re.compile(r"\{[^}]+\}")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
EXPECTED = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
MOUNTED = ("/static", "/sandbox", "/console")


def paths(app: Any) -> list[str]:
    """Every path that the application serves, with something in the place of each parameter."""
    return sorted({PARAMETER.sub("x", route.path) for route in served_routes(app)})


@pytest.fixture
async def guarded(start_service: Any) -> AsyncIterator[Any]:
    async with start_service(console_secret=CONSOLE_SECRET, base_url="http://127.0.0.1:8000") as service:
        yield service


def wrong_of(answer: httpx.Response) -> list[str]:
    """What is missing in the head of an answer."""
    policy = answer.headers.get("content-security-policy", "").split("; ")
    wrong = [name for name, value in EXPECTED.items() if answer.headers.get(name) != value]
    wrong += [rule for rule in ("default-src 'none'", "frame-ancestors 'none'") if rule not in policy]
    wrong += [rule for rule in policy if "unsafe" in rule or "*" in rule or "http:" in rule.split("/")[0]]
    if "cache-control" not in answer.headers:
        wrong.append("cache-control")
    if "server-timing" in answer.headers or "x-powered-by" in answer.headers:
        wrong.append("tells what it runs on")
    return [f"{answer.request.method} {answer.request.url.path} {answer.status_code}: {w}" for w in wrong]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_t33_every_route_of_every_application_answers_with_the_headers(guarded: Any) -> None:
    found = paths(guarded.app)
    for start in MOUNTED:
        assert f"{start}/" in found
    assert len([path for path in found if path.startswith("/console/")]) > 8
    assert {"/invoices/x/void", "/pay/x", "/docs", "/payments/stripe", "/.well-known/jwks.json"} <= set(found)
    wrong, statuses = [], set()
    for path, method in itertools.product([*found, "/", "/nothing", "/%00", "/..%2f"], METHODS):
        answer = await guarded.client.request(method, path)
        statuses.add(answer.status_code)
        wrong += wrong_of(answer)
    assert wrong == []
    assert {200, 303, 404, 405} <= statuses
    assert max(statuses) < 500


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_t33_refusals_and_failures_carry_them_too(
    guarded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    send, as_json = guarded.client.post, {"Content-Type": "application/json"}
    answers = {
        400: await send("/invoices/", content="{", headers=as_json),
        401: await guarded.client.get("/invoices/", headers={"Authorization": "Bearer nonsense"}),
        403: await guarded.client.get("/invoices/", headers={"Host": "evil.example"}),
        413: await send("/invoices/", content="x" * (MAX_BODY + 1), headers=as_json),
        415: await send("/invoices/", content="a=b"),
        422: await send("/invoices/", content="{}", headers=as_json),
    }
    deep = await send("/invoices/", content="[" * 1000, headers=as_json)
    assert deep.status_code == 400
    monkeypatch.setattr("invoices.invoices.service.page", None)
    transport = httpx.ASGITransport(app=guarded.app, raise_app_exceptions=False, client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        answers[500] = await client.get("/invoices/")
    assert {status: answer.status_code for status, answer in answers.items()} == {s: s for s in answers}
    assert [line for answer in (*answers.values(), deep) for line in wrong_of(answer)] == []
    assert all("traceback" not in answer.text.lower() for answer in answers.values())


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_t37_no_route_reads_a_body_that_is_too_large_or_too_deep(guarded: Any) -> None:
    found = paths(guarded.app)
    large = {"content": b"x" * (MAX_BODY + 1)}
    for path, kind in itertools.product(found, ("application/json", "application/x-www-form-urlencoded", "")):
        answer = await guarded.client.post(path, **large, headers={"Content-Type": kind} if kind else {})
        assert answer.status_code == 413, path
    deep = b'{"a":' * 2000 + b"1" + b"}" * 2000
    for path in found:
        answer = await guarded.client.post(path, content=deep, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400, path
        assert "nest" in answer.text, path
