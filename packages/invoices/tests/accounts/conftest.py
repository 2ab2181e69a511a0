"""Accounts with keys of every kind, for the tests of who may do what."""

from typing import Any, Protocol

import pytest

from invoices.accounts import service as accounts
from invoices.accounts.scopes import Scope


class MakeKey(Protocol):
    async def __call__(self, service: Any, name: str, *scopes: str) -> dict[str, str]: ...


@pytest.fixture
def make_key() -> MakeKey:
    """Makes a key of an account, and the account where there is none: the headers to send."""

    async def make(service: Any, name: str, *scopes: str) -> dict[str, str]:
        async with service.app.state.sessions.begin() as session:
            if name not in {account.id for account, _ in await accounts.listed(session)}:
                made = (await accounts.create(session, service.app.state.ringback, name)).api_key
                assert made is not None
                if not scopes:
                    return {"Authorization": f"Bearer {made}"}
            granted = [Scope(scope) for scope in scopes or Scope]
            made = (await accounts.create_key(session, name, granted)).api_key
        return {"Authorization": f"Bearer {made}"}

    return make
