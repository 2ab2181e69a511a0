"""The console's page of accounts: who uses the API, with which keys, and what of theirs to look at."""

import time

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from invoices.accounts import service as accounts
from invoices.console.reading import Reading, seconds
from ringback.console import page

__all__ = ["AccountPages"]

SHOWN = 500


class AccountPages:
    """Shows accounts; they are made and disabled by `invoices accounts`."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self.routes = [Route("/accounts", self.list)]

    async def list(self, request: Request) -> Response:
        """All accounts by name."""
        async with self._reading.session() as session:
            found = await accounts.listed(session)
        return page(
            request,
            "accounts.html",
            accounts=found[:SHOWN],
            more=max(len(found) - SHOWN, 0),
            seconds=seconds,
            now=time.time(),
        )
