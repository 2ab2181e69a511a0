"""Ringback's channel `mail`: what one attempt to send a queued letter does."""

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from invoices.mail.headers import UnsafeHeader
from invoices.mail.letter import Letter, LetterKind, QueuedLetter, UnreadableLetter, read_letter
from invoices.mail.message import make_mail, read_sender
from invoices.mail.pace import PacedSender
from invoices.mail.senders import FolderSender, Sender
from invoices.mail.smtp import SmtpSender, SmtpServer
from invoices.pdf import PdfFailed, PdfRefused, Renderer
from invoices.settings import Settings
from ringback import Delivery, Outcome, RetrySchedule, State

_log = logging.getLogger(__name__)

PATIENCE: Final = 3
"""From this attempt on, a mail whose PDF fails goes without it: the customer is owed the link."""

SCHEDULE: Final = RetrySchedule()
"""When a mail is tried: over three days, as mail servers do among themselves."""

TIMEOUT: Final = 50.0
"""Seconds that an attempt may take: the deadlines of PDF and SMTP, and some room."""


LinkTo = Callable[[int], Awaitable[str | None]]
IsOwed = Callable[[int], Awaitable[bool]]
Note = Callable[[QueuedLetter, Outcome], Awaitable[None]]


async def _always(_pk: int) -> bool:
    return True


async def _nowhere(_letter: QueuedLetter, _outcome: Outcome) -> None:
    """Where nobody wants to know."""


class MailChannel:
    """The handler of the channel: ``ringback.channel("mail", MailChannel(...), timeout=TIMEOUT)``.

    `link_to` gives the link to the page of a stored invoice by its `pk`, None where it is gone; `is_owed`
    says whether a reminder is still needed; `note` is told how each mail has ended. Mails go to the server of
    INVOICES_SMTP_URL, or as files into `mail` in the data folder. Raises ValueError where INVOICES_SMTP_URL
    or INVOICES_MAIL_FROM cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        link_to: LinkTo,
        *,
        is_owed: IsOwed = _always,
        note: Note = _nowhere,
        sender: Sender | None = None,
        renderer: Renderer | None = None,
    ) -> None:
        self._link_to = link_to
        self._is_owed = is_owed
        self._note = note
        self._from = read_sender(settings.mail_from)
        self._sender = sender or make_sender(settings)
        self._renderer = renderer or Renderer()

    async def __call__(self, delivery: Delivery) -> Outcome:
        """One attempt: reads the letter, renders its PDF, sends the mail, and notes how that has ended."""
        try:
            queued = read_letter(delivery.body)
        except UnreadableLetter as error:
            return Outcome.dead(str(error))
        if queued.kind is not LetterKind.INVOICE and not await self._is_owed(queued.invoice):
            return Outcome.delivered("not sent: nothing is owed any more")
        outcome = await self._attempt(queued, delivery.attempt)
        last = delivery.attempt >= len(SCHEDULE.delays)
        if outcome.state is not State.PENDING or last:
            await self._note(queued, outcome)
        return outcome

    async def _attempt(self, queued: QueuedLetter, attempt: int) -> Outcome:
        try:
            link = await self._link_to(queued.invoice)
            if link is None:
                return Outcome.dead("not sent: the invoice is not there any more")
            letter = queued.with_link(link)
            pdf = await self._pdf(letter, attempt)
            mail = make_mail(letter, self._from, pdf)
        except PdfFailed as error:
            return Outcome.retry(str(error))
        except UnsafeHeader as error:
            return Outcome.dead(str(error))
        return await self._sender.send(mail)

    async def _pdf(self, letter: Letter, attempt: int) -> bytes | None:
        try:
            return await self._renderer.render(letter.document)
        except PdfRefused as error:
            _log.warning("the mail of invoice %r goes without a PDF: %s", letter.document.id, error)
            return None
        except PdfFailed:
            if attempt < PATIENCE:
                raise
            return None


def make_sender(settings: Settings) -> Sender:
    """The sender that the settings ask for."""
    if settings.smtp_url is None:
        return FolderSender(settings.data_dir / "mail")
    server = SmtpServer.from_url(settings.smtp_url.get_secret_value())
    return PacedSender(SmtpSender(server), settings.mail_limit_per_recipient)
