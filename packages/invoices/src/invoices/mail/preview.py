"""A queued mail as its recipient sees it, for operators: the same text and HTML as its attempts send."""

from dataclasses import dataclass
from typing import Final

from invoices.mail.channel import LinkTo
from invoices.mail.headers import UnsafeHeader
from invoices.mail.letter import UnreadableLetter, read_letter
from invoices.mail.message import make_mail, read_sender
from invoices.pdf import InvoicePdf
from invoices.settings import Settings

__all__ = ["Preview", "preview"]


# In its place: the words of a mail say whether one is attached, and making the real one takes a while.
_PDF: Final = b"%PDF-"


@dataclass(frozen=True, slots=True)
class Preview:
    """What the recipient gets. In `raw` the PDF is left out; `document` is what it is made of."""

    html: str
    raw: bytes
    document: InvoicePdf


async def preview(settings: Settings, link_to: LinkTo, body: bytes) -> Preview | None:
    """The mail of a delivery's body; None where none could be made of it now, as after a deleted invoice."""
    try:
        queued = read_letter(body)
        link = await link_to(queued.invoice)
        if link is None:
            return None
        letter = queued.with_link(link)
        mail = make_mail(letter, read_sender(settings.mail_from), _PDF)
    except (UnreadableLetter, UnsafeHeader):
        return None
    return Preview(mail.html, mail.raw, letter.document)
