import os
from typing import Annotated

from fastapi import APIRouter, FastAPI, Header
from pydantic import BaseModel, HttpUrl

from ringback import Callbacks, Ringback

app = FastAPI()
ringback = Ringback(
    app,
    database=os.environ.get("DATABASE_URL", "sqlite+aiosqlite:///exports.db"),
    allow_networks=os.environ.get("ALLOW_NETWORKS", "").split(),
)


class Export(BaseModel):
    table: str


class Accepted(BaseModel):
    number: int


class Ready(BaseModel):
    rows: int


class Failed(BaseModel):
    reason: str


class Taken(BaseModel):
    ok: bool


exports = APIRouter()


@exports.post("{$request.query.callback_url}/exports/{$response.body#/number}", response_model=Taken)
def export_ready(body: Ready, x_table: Annotated[str, Header()]) -> None:
    """The export can be fetched."""


@exports.post("{$request.query.callback_url}/exports/{$response.body#/number}/failure", response_model=Taken)
def export_failed(body: Failed) -> None:
    """There will be no export."""


# An answer counts when it says so: {"ok": false} is tried again.
ringback.acknowledge(export_ready, lambda answer: answer.ok)


@app.post("/exports", status_code=202, callbacks=exports.routes)
async def start_export(export: Export, callbacks: Callbacks, callback_url: HttpUrl) -> Accepted:
    accepted = Accepted(number=7)
    async with ringback.transaction() as session:
        # The key reads what is about to be answered.
        await callbacks.bind(session, key=f"export-{accepted.number}", response=accepted)
    return accepted


async def tell(number: int, rows: int) -> None:
    """Called days later, anywhere in the app."""
    async with ringback.transaction() as session:
        to = ringback.to(session, key=f"export-{number}")
        await to.options(idempotency_key="ready").send(export_ready, Ready(rows=rows), x_table="orders")
