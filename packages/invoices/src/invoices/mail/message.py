"""Makes the mail of a letter: text, HTML and PDF in one message, the same bytes at every attempt."""

import re
import textwrap
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from invoices.languages import ENGLISH, Language, language_of
from invoices.mail.headers import Head, Mailbox, UnsafeHeader, check_bytes, header_text, mail_address
from invoices.mail.letter import Letter, LetterKind
from invoices.pdf import InvoicePdf
from invoices.pdf.text import file_stem, isolated, printable
from invoices.templates import in_languages

_SENDER = re.compile(r"(?:(?P<name>[^<>]*?)\s*<)?(?P<box>[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+)>?")


@dataclass(frozen=True, slots=True)
class Mail:
    """A finished mail: the envelope and the exact bytes. `recipient` is None where nobody is named."""

    message_id: str
    file_stem: str
    sender: str
    recipient: str | None
    raw: bytes
    html: str


def read_sender(text: str) -> Mailbox:
    """The sender of all mails, from `Name <box@domain>` or `box@domain`. Raises ValueError."""
    match = _SENDER.fullmatch(text.strip())
    if match is None or ("<" in text) != (">" in text):
        raise ValueError(f"INVOICES_MAIL_FROM must be like 'Name <box@example.org>', not {text!r}")
    try:
        return Mailbox(header_text((match["name"] or "").strip('" ')), match["box"])
    except UnsafeHeader as error:
        raise ValueError(f"INVOICES_MAIL_FROM cannot be used: {error}") from error


def make_mail(letter: Letter, sender: Mailbox, pdf: bytes | None) -> Mail:
    """The mail of a letter; without `pdf` it carries the link only.

    Where the customer's name or the invoice's number must not stand in a header, the header does without
    them: the customer is owed the mail all the same. Raises UnsafeHeader if even that mail is unsafe; then
    nothing may leave.
    """
    address = None if letter.to is None else mail_address(letter.to)
    stem = file_stem(letter.document.id)
    html, body = _body(letter, pdf, f"invoice-{stem}.pdf")
    try:
        head = _head(letter, sender, address, courteous=True)
    except UnsafeHeader:
        head = _head(letter, sender, address, courteous=False)
    raw = head.written() + body
    check_bytes(raw, head)
    return Mail(
        message_id=head.message_id,
        file_stem=f"{stem}-{letter.digest[:8]}",
        sender=sender.address,
        recipient=address,
        raw=raw,
        html=html,
    )


def _head(letter: Letter, sender: Mailbox, address: str | None, *, courteous: bool) -> Head:
    name = header_text(letter.document.customer) if courteous else ""
    return Head(
        sender=sender,
        recipient=None if address is None else Mailbox(name, address),
        subject=_subject(letter) if courteous else header_text(_language(letter).gettext("Your invoice")),
        date=format_datetime(datetime.fromtimestamp(letter.queued_at, UTC)),
        message_id=f"<{letter.digest}@{sender.address.rpartition('@')[2]}>",
    )


def _subject(letter: Letter) -> str:
    document, language = letter.document, _language(letter)
    _ = language.gettext
    what = _("Invoice %(number)s", number=document.id)
    if document.seller:
        what = _("%(invoice)s from %(seller)s", invoice=what, seller=document.seller)
    amount = language.amount(document.due_minor, document.currency)
    subject = {
        LetterKind.INVOICE: _("%(invoice)s: %(amount)s", invoice=what, amount=amount),
        LetterKind.REMINDER: _("Reminder: %(invoice)s: %(amount)s", invoice=what, amount=amount),
        LetterKind.OVERDUE: _("Overdue: %(invoice)s: %(amount)s", invoice=what, amount=amount),
    }
    return header_text(subject[letter.kind])


def _language(letter: Letter) -> Language:
    return language_of(letter.document.language)


def _body(letter: Letter, pdf: bytes | None, file_name: str) -> tuple[str, bytes]:
    words = _words(letter, attached=pdf is not None)
    language = letter.document.language
    html = _PAGES[language].get_template("invoice.html").render(words)
    message = EmailMessage(policy=SMTP)
    text = _TEXTS[language].get_template("invoice.txt").render(words | _isolated(words))
    message.set_content(text, cte="quoted-printable")
    message.add_alternative(html, subtype="html", cte="quoted-printable")
    if pdf is not None:
        message.add_attachment(pdf, maintype="application", subtype="pdf", filename=file_name)
    _fix_boundaries(message, letter.digest)
    return html, message.as_bytes()


def _fix_boundaries(message: EmailMessage, digest: str) -> None:
    # Drawn by the email package, they would differ at every attempt. "=_" cannot occur in a quoted-printable
    # or base64 body (RFC 2045, section 6.7).
    for place, part in enumerate(message.walk()):
        if part.is_multipart():
            part.set_boundary(f"=_{digest}_{place}")


def _words(letter: Letter, *, attached: bool) -> dict[str, object]:
    document, language = letter.document, _language(letter)
    return {
        **_names(document),
        "amount": language.amount(document.due_minor, document.currency),
        "issued": language.day(document.issued_at),
        "due": "" if document.due_on is None else language.day(document.due_on),
        "kind": letter.kind.value,
        "pay_url": letter.pay_url,
        "attached": attached,
    }


def _names(document: InvoicePdf) -> dict[str, str]:
    return {
        "number": printable(document.id),
        "seller": printable(document.seller),
        "customer": printable(document.customer),
        "title": printable(document.title),
    }


def _isolated(words: dict[str, object]) -> dict[str, str]:
    # A page isolates by its elements; in a text a name would turn the direction of what stands beside it.
    return {name: isolated(str(words[name])) for name in ("number", "seller", "customer", "title")}


def _wrap(text: str) -> str:
    """Plain text in lines of 72 columns, paragraph for paragraph; a URL is never cut."""
    paragraphs = [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]
    return "\n\n".join(
        textwrap.fill(paragraph, 72, break_long_words=False, break_on_hyphens=False)
        for paragraph in paragraphs
        if paragraph
    )


_PAGES = in_languages("invoices.mail", autoescape=True)
_TEXTS = in_languages("invoices.mail", autoescape=False)
for _tag, _texts in _TEXTS.items():
    # Only a language that puts spaces between words has places to break lines at.
    _texts.filters["wrap"] = _wrap if _tag == ENGLISH else str.strip
