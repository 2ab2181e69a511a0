"""The console's pages of invoices: the list over all accounts, and one with all that belongs to it."""

import time
from http import HTTPStatus
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from invoices.console.reading import Reading, number_of, path_number, seconds, word_of
from invoices.invoices import browsing as invoices
from invoices.invoices.lifecycle import Status
from invoices.invoices.models import Invoice
from invoices.invoices.money import display
from invoices.mail.service import kind_of_mail, mail_key
from invoices.payments import browsing as payments
from ringback import DeliveryReport, Ringback
from ringback.console import page

__all__ = ["TONES", "InvoicePages"]

TONES: Final = {
    "open": "pending",
    "starting": "pending",
    "requested": "pending",
    "processing": "sending",
    "paid": "delivered",
    "succeeded": "delivered",
    "partially_refunded": "waiting",
    "refunded": "waiting",
    "review": "dead",
    "failed": "dead",
    "uncollectible": "dead",
}
"""The console's colour of each word; of what is not named none."""


class InvoicePages:
    """Shows invoices; what is done to them is done through the API."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self.routes = [Route("/invoices", self.list), Route("/invoices/{pk}", self.show)]

    async def list(self, request: Request) -> Response:
        """The newest invoices, by account, status and id."""
        account, status, id_ = (word_of(request, name) for name in ("account", "status", "id"))
        async with self._reading.session() as session:
            leaf = await invoices.browse(
                session,
                account=account or None,
                status=Status(status) if status in list(Status) else None,
                id_=id_ or None,
                before=number_of(word_of(request, "before")),
            )
        return page(
            request,
            "invoices.html",
            leaf=leaf,
            chosen={"account": account, "status": status, "id": id_},
            statuses=list(Status),
            looked_at=invoices.LOOKED_AT,
            is_first=not word_of(request, "before"),
            display=display,
            seconds=seconds,
            tones=TONES,
            now=time.time(),
        )

    async def show(self, request: Request) -> Response:
        """One invoice: its money, what happened to it, its callbacks and its mails."""
        pk = path_number(request, "pk")
        async with self._reading.session() as session:
            invoice = await invoices.find(session, pk)
            if invoice is None:
                raise HTTPException(HTTPStatus.NOT_FOUND)
            tries, refunds = await payments.money_of(session, pk)
            happenings = await invoices.happenings_of(session, pk)
            deliveries = await _deliveries_of(self._reading.ringback, session, invoice)
        return page(
            request,
            "invoice.html",
            invoice=invoice,
            link=await self._reading.link_to(pk),
            payments=tries,
            refunds=refunds,
            happenings=happenings,
            deliveries=deliveries,
            display=display,
            kind_of_mail=kind_of_mail,
            seconds=seconds,
            tones=TONES,
            now=time.time(),
        )


async def _deliveries_of(ringback: Ringback, session: AsyncSession, invoice: Invoice) -> list[DeliveryReport]:
    """Its callbacks, its mails, and what waits for its due date: the planned ones first, then the newest."""
    owner = invoice.account_id
    found = await ringback.deliveries(session, owner=owner, key=invoice.id)
    for revision in range(1, invoice.mail_revision + 1):
        found += await ringback.deliveries(session, owner=owner, key=mail_key(invoice, revision))
    for id_ in invoice.scheduled or ():
        if scheduled := await ringback.find(session, id_):
            found.append(scheduled[0])
    return sorted(found, key=_last_moment, reverse=True)


def _last_moment(one: DeliveryReport) -> float:
    return max(one.created_at, one.finished_at or one.next_attempt_at or 0.0)
