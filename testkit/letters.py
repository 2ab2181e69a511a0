"""Letters of the invoicing service as they wait in the queue, for tests of its mail."""

from dataclasses import replace

from invoices.mail.letter import Letter, QueuedLetter

PAGE = "https://invoices.example.org/pay/token"


def queued_letter(letter: Letter) -> QueuedLetter:
    """What was queued for this letter: all but its link."""
    return QueuedLetter(
        document=replace(letter.document, pay_url=""),
        invoice=1,
        reference=letter.reference,
        queued_at=letter.queued_at,
        to=letter.to,
    )


async def link_to(_pk: int) -> str:
    """The same page for every invoice."""
    return PAGE
