"""What machines ask about the service: whether it lives, whether it can work, and how it goes."""

import asyncio
import hmac
from http import HTTPStatus
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from invoices.accounts.access import NoAccess, NoKey, refusal_in_open_mode
from invoices.rate_limits import RateLimits
from invoices.settings import Settings
from ringback import Ringback

__all__ = ["router"]

PATIENCE: Final = 2.0
"""Seconds that the database may take to answer."""

Part = Literal["answers", "does not answer", "running", "stopped", "elsewhere"]

router = APIRouter(include_in_schema=False)
_bearer = HTTPBearer(auto_error=False)


@router.get("/healthz")
async def lives() -> dict[str, str]:
    """Whether the process answers at all; nothing else is asked, so that a slow database restarts nobody."""
    return {"status": "alive"}


@router.get("/readyz")
async def is_ready(request: Request) -> JSONResponse:
    """Whether requests can be served: the database answers, and the worker that belongs here runs."""
    settings: Settings = request.app.state.settings
    ringback: Ringback = request.app.state.ringback
    database: Part = "answers" if await _answers(request.app.state.engine) else "does not answer"
    worker: Part = "elsewhere"
    if settings.worker == "embedded":
        worker = "running" if ringback.is_delivering else "stopped"
    is_good = database == "answers" and worker != "stopped"
    body = {"status": "ready" if is_good else "not ready", "database": database, "worker": worker}
    return JSONResponse(body, HTTPStatus.OK if is_good else HTTPStatus.SERVICE_UNAVAILABLE)


@router.get("/metrics")
async def metrics(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> PlainTextResponse:
    """Figures as Prometheus reads them, for whoever has the token; without one, for this machine."""
    _admit(request, credentials)
    ringback: Ringback = request.app.state.ringback
    return PlainTextResponse(await ringback.metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _admit(request: Request, credentials: HTTPAuthorizationCredentials | None) -> None:
    settings: Settings = request.app.state.settings
    token = settings.metrics_token.get_secret_value()
    if not token:
        peer = request.client.host if request.client else None
        reason = refusal_in_open_mode(peer, request.headers.getlist("host"), request.headers.keys())
        if reason is not None:
            raise NoAccess(
                f"only this machine may read metrics, and this request is refused: {reason}. "
                "The operator opens them to whoever has a token by INVOICES_METRICS_TOKEN."
            )
        return
    given = "" if credentials is None else credentials.credentials
    if not hmac.compare_digest(given.encode(), token.encode()):
        limits: RateLimits = request.app.state.rate_limits
        if credentials is not None:
            limits.count_guess(request, "tokens")
        raise NoKey("send the token as `Authorization: Bearer …`", field="Authorization", place="header")


async def _answers(engine: AsyncEngine) -> bool:
    try:
        async with asyncio.timeout(PATIENCE), engine.connect() as connection:
            await connection.execution_options(sqlite_read_only=True)
            await connection.execute(text("SELECT 1"))
    except (SQLAlchemyError, OSError, TimeoutError):
        return False
    return True
