"""Whatever FastAPI can declare is scaffolded into a receiver that ``ringback check`` finds right."""

import asyncio
import logging
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from testkit.generated import Kind, kinds, models
from testkit.serving import served

from ringback._document import publish
from ringback._signing import new_secret
from ringback.kit._declared import choose
from ringback.kit.check import Report, check_receiver
from ringback.kit.scaffold import project_files, write_files

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


class Order(BaseModel):
    id: int


def document_of(body: Kind, answer: Kind, method: str) -> dict[str, Any]:
    callbacks = APIRouter()

    def hook(body: Any) -> None: ...

    def create(order: Order, callback_url: str) -> None: ...

    hook.__annotations__["body"] = body.type
    getattr(callbacks, method)("{$callback_url}/orders/{$request.body.id}", response_model=answer.type)(hook)
    app = FastAPI()
    publish(app)
    app.post("/orders", callbacks=callbacks.routes)(create)
    document: dict[str, Any] = app.openapi()
    return document


def receiver_in(folder: str) -> Any:
    """The application of the project in a folder, instead of that of an earlier one."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "receiver"]:
        del sys.modules[name]
    sys.path.insert(0, folder)
    try:
        from receiver.app import app  # type: ignore[import-not-found]
    finally:
        sys.path.remove(folder)
    return app


async def checked(app: Any, document: dict[str, Any], secret: str) -> Report:
    async with served(app) as url:
        [declared] = choose(document)
        return await check_receiver(url, document, declared, secrets=[secret], only="[ei]*")


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(models(kinds), models(kinds), st.sampled_from(["post", "put", "patch"]))
def test_what_is_scaffolded_from_any_document_passes_every_check(
    body: Kind, answer: Kind, method: str
) -> None:
    document, secret = document_of(body, answer, method), new_secret()
    os.environ["WEBHOOK_SECRET"] = secret
    logging.getLogger("receiver").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        write_files(Path(folder), project_files(document))
        report = asyncio.run(checked(receiver_in(folder), document, secret))
    assert [(r.name, f.reason) for r in report.results for f in r.flaws] == []
