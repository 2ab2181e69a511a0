"""What became of an invoice's mails, written down where the API user sees it."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from invoices.database import reading
from invoices.invoices import links
from invoices.invoices.happenings import Kind, happened
from invoices.invoices.lifecycle import DUE, Status
from invoices.invoices.models import Invoice
from invoices.mail.letter import LetterKind, QueuedLetter
from invoices.settings import Settings
from ringback import Outcome, Ringback, State

__all__ = ["Mailed"]


@dataclass(frozen=True, slots=True)
class Mailed:
    """What the mail channel asks of invoices, and tells them. Each is a short transaction of its own."""

    sessions: async_sessionmaker[AsyncSession]
    ringback: Ringback
    settings: Settings

    async def link_to(self, pk: int) -> str | None:
        """The link to an invoice's page; None where the invoice is gone."""
        async with self._reading() as session:
            return await links.link_to(session, self.settings, pk)

    async def is_owed(self, pk: int) -> bool:
        """Whether the customer still owes the money."""
        async with self._reading() as session:
            invoice = await session.get(Invoice, pk)
            return invoice is not None and Status(invoice.status) in DUE

    async def note(self, letter: QueuedLetter, outcome: Outcome) -> None:
        """Write down that a mail was sent, or cannot be delivered. A mail to nobody was not sent."""
        async with self.sessions.begin() as session:
            invoice = await session.get(Invoice, letter.invoice, with_for_update=True)
            if invoice is None or letter.to is None:
                return
            sent = outcome.state is State.DELIVERED
            invoice.mail_state, invoice.mail_note = ("sent" if sent else "bounced"), outcome.note
            if sent and letter.kind is not LetterKind.INVOICE:
                return
            kind = Kind.SENT if sent else Kind.BOUNCED
            await happened(
                session, self.ringback, invoice, kind, once=f"{kind.value}:{letter.reference}"[:120]
            )

    def _reading(self) -> AbstractAsyncContextManager[AsyncSession]:
        return reading(self.sessions)
