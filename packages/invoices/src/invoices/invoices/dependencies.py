"""What the endpoints about invoices ask of each request."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Path, Request

from invoices.accounts.access import CreatorDep, ManagerDep
from invoices.invoices.idempotency import IdempotencyKey
from invoices.settings import Settings
from ringback import Ringback

__all__ = ["HeldKeyDep", "InvoiceIdPath", "ManagersKeyDep", "RingbackDep", "SettingsDep"]

InvoiceIdPath = Annotated[str, Path(max_length=255, description="Your own word for the invoice.")]


# Async, although they wait for nothing: FastAPI would run them in a thread each.
async def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


async def _ringback(request: Request) -> Ringback:
    ringback: Ringback = request.app.state.ringback
    return ringback


async def _held_key(
    request: Request, account: CreatorDep, idempotency_key: IdempotencyKey = None
) -> AsyncIterator[str | None]:
    async with request.app.state.keys_in_use.hold(account.id, idempotency_key):
        yield idempotency_key


async def _managers_key(
    request: Request, account: ManagerDep, idempotency_key: IdempotencyKey = None
) -> AsyncIterator[str | None]:
    async with request.app.state.keys_in_use.hold(account.id, idempotency_key):
        yield idempotency_key


SettingsDep = Annotated[Settings, Depends(_settings)]
RingbackDep = Annotated[Ringback, Depends(_ringback)]
# Stands before the session in each signature, so that it is given back only after the commit.
HeldKeyDep = Annotated[str | None, Depends(_held_key, scope="function")]
ManagersKeyDep = Annotated[str | None, Depends(_managers_key, scope="function")]
