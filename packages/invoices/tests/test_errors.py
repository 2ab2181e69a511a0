"""Every refusal is a problem document, and an unexpected failure says nothing about the inside."""

import logging
import sqlite3
from collections.abc import AsyncIterator
from typing import Annotated

import httpx
import pytest
from fastapi import FastAPI, HTTPException, Query
from pydantic import BaseModel
from sqlalchemy.exc import OperationalError
from testkit.serving import served

from invoices import errors
from invoices.errors import Conflict, Invalid, NotFound, UnexpectedErrors, responses


class Line(BaseModel):
    price: int


class Order(BaseModel):
    lines: list[Line]


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    errors.install(app)
    app.add_middleware(UnexpectedErrors)

    @app.post("/orders")
    async def order(order: Order, count: Annotated[int, Query()] = 1) -> None: ...

    @app.get("/refused")
    async def refused() -> None:
        raise Conflict("it is there already", field="id")

    @app.get("/teapot")
    async def teapot() -> None:
        raise HTTPException(418, "short and stout", headers={"X-Handle": "yes"})

    @app.get("/busy")
    async def busy() -> None:
        raise OperationalError("BEGIN IMMEDIATE", {}, sqlite3.OperationalError("database is locked"))

    @app.get("/broken")
    async def broken() -> None:
        raise OperationalError("SELECT secret", {}, sqlite3.OperationalError("no such table: secret"))

    @app.get("/unexpected")
    async def unexpected() -> None:
        raise RuntimeError("a secret of the inside")

    async with served(app) as url, httpx.AsyncClient(base_url=url, trust_env=False) as client:
        yield client


async def test_a_finding_is_named_by_its_path(client: httpx.AsyncClient) -> None:
    answer = await client.post(
        "/orders", params={"count": "x"}, json={"lines": [{"price": 1}, {"price": "y"}]}
    )
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["title"] == "Unprocessable Content"
    assert {(found["place"], found["field"]) for found in problem["errors"]} == {
        ("query", "count"),
        ("body", "lines.1.price"),
    }
    assert "lines.1.price: " in problem["detail"]


async def test_many_findings_are_cut(client: httpx.AsyncClient) -> None:
    answer = await client.post("/orders", json={"lines": [{}] * 1_000})
    assert len(answer.json()["errors"]) == 50
    assert len(answer.json()["detail"]) < 500


async def test_a_refusal_carries_its_status_and_field(client: httpx.AsyncClient) -> None:
    answer = await client.get("/refused")
    assert answer.status_code == 409
    assert answer.json() == {
        "title": "Conflict",
        "status": 409,
        "detail": "it is there already",
        "errors": [{"field": "id", "place": "body", "reason": "it is there already"}],
    }


async def test_http_exceptions_keep_their_headers(client: httpx.AsyncClient) -> None:
    answer = await client.get("/teapot")
    assert (answer.status_code, answer.headers["x-handle"]) == (418, "yes")
    assert answer.json()["detail"] == "short and stout"


async def test_a_busy_database_asks_for_patience(client: httpx.AsyncClient) -> None:
    answer = await client.get("/busy")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


@pytest.mark.parametrize("path", ["/broken", "/unexpected"])
async def test_the_inside_stays_inside_and_goes_to_the_log(
    client: httpx.AsyncClient, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        answer = await client.get(path)
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text
    assert "secret" in caplog.text


def test_refusals_of_one_status_are_documented_together() -> None:
    class Taken(Conflict):
        """The name is taken."""

    class Gone(Conflict):
        """The name was given back."""

    documented = responses(Taken, Gone, NotFound, Invalid)
    assert set(documented) == {404, 409, 422, "default"}
    assert documented[409]["description"] == "The name is taken. The name was given back."
    assert set(documented[409]["content"]) == {"application/problem+json"}
