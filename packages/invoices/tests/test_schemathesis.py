"""The service against its own document: requests that Schemathesis makes up, right ones and wrong ones."""

import asyncio
import json
import logging
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path
from typing import Any

import httpx
import pytest

from invoices.accounts import service as accounts

# A URL or a cursor that the schema allows may still be none of ours.
BEYOND_THE_SCHEMA = "positive_data_acceptance"
# In the open mode this machine needs no key, which no document can say.
OPEN_MODE = f"{BEYOND_THE_SCHEMA},ignored_auth,missing_required_header,negative_data_rejection"
# Every border case of every field, and requests that follow from answers, take a busy machine minutes.
_SHORT = ("--phases", "examples,fuzzing", "--max-examples", "15")
_LONG = ("--max-examples", "200", "--max-time", "150")


async def try_everything(
    service: Any, folder: Path, thoroughly: bool, excluded: str, key: str | None
) -> None:
    """Any 5xx, status or body that is not documented fails, with what was sent."""
    document = folder / "openapi.json"
    document.write_text(json.dumps(await strict_document(service.client)))
    command = [
        *(
            sys.executable,
            "-m",
            "schemathesis.cli",
            "run",
            str(document),
            "--url",
            str(service.client.base_url),
        ),
        *("--checks", "all", "--exclude-checks", excluded),
        *(_LONG if thoroughly else _SHORT),
        *("--no-color", "--generation-database", "none", "--continue-on-failure"),
        *(("--header", f"Authorization: Bearer {key}") if key else ()),
    ]
    process = await asyncio.create_subprocess_exec(*command, cwd=folder, stdout=PIPE, stderr=STDOUT)
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    assert "Tested: 13" in output.decode(), output.decode()


async def strict_document(client: httpx.AsyncClient) -> dict[str, Any]:
    """The published document without "default", so that every status that it does not name is wrong."""
    document: dict[str, Any] = (await client.get("/openapi.json")).json()
    for operations in document["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("default", None)
    return document


@pytest.fixture(
    params=[False, pytest.param(True, marks=[pytest.mark.long, pytest.mark.timeout(300)])],
    ids=["shortly", "thoroughly"],
)
def thoroughly(request: pytest.FixtureRequest) -> bool:
    value: bool = request.param
    return value


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_without_keys_every_answer_is_as_documented(
    start_service: Any, tmp_path: Path, thoroughly: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    async with start_service() as service:
        await try_everything(service, tmp_path, thoroughly, OPEN_MODE, None)
    assert caplog.records == []


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_with_a_key_every_answer_is_as_documented(
    start_service: Any, tmp_path: Path, thoroughly: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    async with start_service(rate_limit=0, guess_limit=0) as service:
        async with service.app.state.sessions.begin() as session:
            made = await accounts.create(session, service.app.state.ringback, "acme")
        await try_everything(service, tmp_path, thoroughly, BEYOND_THE_SCHEMA, made.api_key)
    assert caplog.records == []
