"""A mail's header: what may stand in it, how it is written, and the proof that nothing else came out.

Written here and not by Python's email package, which loses spaces of long names that are not ASCII when it
folds them, and in some releases decodes a name into lines of its own (CVE-2024-6923, CVE-2026-1299).
"""

import base64
import re
import unicodedata
from dataclasses import dataclass
from email import message_from_bytes
from email.header import decode_header, make_header
from email.utils import getaddresses
from typing import Final

from email_validator import EmailNotValidError, validate_email

from invoices.pdf.text import printable

LONGEST_VALUE: Final = 200

TOP_HEADERS: Final = (
    *("From", "To", "Subject", "Date", "Message-ID"),
    *("Auto-Submitted", "MIME-Version", "Content-Type"),
)
"""Every header of a mail, in order; `To` is missing where nobody is named."""

_STRAY_BREAK = re.compile(rb"\r(?!\n)|(?<!\r)\n")
_BREAKING = {"Cc", "Cs", "Zl", "Zp"}

# What each part of a letter carries below its own top, as the email package writes them.
_PART_HEADERS = {
    "multipart/alternative": [["Content-Type"], ["Content-Type", "MIME-Version"]],
    "text/plain": [["Content-Type", "Content-Transfer-Encoding"]],
    "text/html": [["Content-Type", "Content-Transfer-Encoding", "MIME-Version"]],
    "application/pdf": [["Content-Type", "Content-Transfer-Encoding", "Content-Disposition", "MIME-Version"]],
}


class UnsafeHeader(Exception):
    """A value that would end its header, or be read as encoded text, was kept out of the header."""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Somebody's name, which may be empty, and address."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Head:
    """What a mail's header says of it. Values come from `header_text` and `mail_address`."""

    sender: Mailbox
    recipient: Mailbox | None
    subject: str
    date: str
    message_id: str

    def written(self) -> bytes:
        """The lines, without those of the body (RFC 5322; RFC 6532 where an address is not ASCII)."""
        lines = [
            f"From: {_written_mailbox(self.sender)}",
            *([] if self.recipient is None else [f"To: {_written_mailbox(self.recipient)}"]),
            f"Subject: {_written_text(self.subject)}",
            f"Date: {self.date}",
            f"Message-ID: {self.message_id}",
            # RFC 3834: notices of absence need not answer.
            "Auto-Submitted: auto-generated",
        ]
        return "".join(f"{line}\r\n" for line in lines).encode()


def header_text(value: str) -> str:
    """`value` as it may stand in a header, shortened to 200 characters.

    Raises UnsafeHeader on control characters and on `=?`, which opens an encoded word (RFC 2047).
    """
    if "=?" in value or any(unicodedata.category(letter) in _BREAKING for letter in value):
        raise UnsafeHeader(f"{value[:80]!r} holds a control character or '=?' and cannot stand in a header")
    text = printable(value)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"


def mail_address(value: str) -> str:
    """A mailbox as it may stand in an envelope and a header; its domain in ASCII. Raises UnsafeHeader."""
    try:
        found = validate_email(header_text(value), check_deliverability=False)
    except EmailNotValidError as error:
        raise UnsafeHeader(f"{value[:80]!r} is no e-mail address: {error}") from error
    return f"{found.local_part}@{found.ascii_domain}"


def check_bytes(raw: bytes, head: Head) -> None:
    """Reads a mail's bytes again and compares them with what was meant. Raises UnsafeHeader.

    The same header names in the same order, the same values, and in the parts below only what parts carry.
    """
    if _STRAY_BREAK.search(raw):
        raise UnsafeHeader("the mail holds a carriage return or line feed on its own")
    lines = re.split(rb"\r\n(?![ \t])", raw.partition(b"\r\n\r\n")[0])
    names = [line.partition(b":")[0].decode("ascii", "replace") for line in lines]
    if names != [name for name in TOP_HEADERS if name != "To" or head.recipient is not None]:
        raise UnsafeHeader(f"the mail's headers came out as {names}")
    message = message_from_bytes(raw)
    # As they came: a value that is not ASCII (RFC 6532) would otherwise be read with holes.
    values = {name: _unfolded(value) for name, value in message.raw_items()}
    _same("From", _read_mailboxes(values["From"]), [head.sender])
    _same("To", _read_mailboxes(values.get("To", "")), [] if head.recipient is None else [head.recipient])
    _same("Subject", _decoded(values["Subject"]), head.subject)
    _same("Date", values["Date"], head.date)
    _same("Message-ID", values["Message-ID"], head.message_id)
    for part in message.walk():
        if part is not message and part.keys() not in _PART_HEADERS.get(part.get_content_type(), []):
            raise UnsafeHeader(f"a part of the mail came out with the headers {part.keys()}")


def _written_mailbox(mailbox: Mailbox) -> str:
    if not mailbox.name:
        return mailbox.address
    if mailbox.name.isascii() and len(mailbox.name) <= 60:
        escaped = re.sub(r'(["\\])', r"\\\1", mailbox.name)
        name = mailbox.name if re.fullmatch("[A-Za-z0-9 ]+", mailbox.name) else f'"{escaped}"'
    else:
        name = _encoded(mailbox.name)
    return f"{name}\r\n <{mailbox.address}>" if len(name) > 20 else f"{name} <{mailbox.address}>"


def _written_text(text: str) -> str:
    return text if text.isascii() and len(text) <= 65 else _encoded(text)


def _encoded(text: str) -> str:
    # RFC 2047: a word has 75 characters at most and holds whole letters; space between words is not read.
    chunks = [""]
    for letter in text:
        if len((chunks[-1] + letter).encode()) > 36:
            chunks.append("")
        chunks[-1] += letter
    return "\r\n ".join(f"=?utf-8?b?{base64.b64encode(chunk.encode()).decode()}?=" for chunk in chunks)


def _read_mailboxes(value: str) -> list[Mailbox]:
    found = getaddresses([value]) if value else []
    return [Mailbox(_decoded(phrase), address) for phrase, address in found]


def _decoded(value: str) -> str:
    return str(make_header(decode_header(value)))


def _unfolded(value: str) -> str:
    return value.replace("\r\n", "").encode("ascii", "surrogateescape").decode("utf-8", "replace")


def _same(name: str, read: object, meant: object) -> None:
    if read != meant:
        raise UnsafeHeader(f"the header {name} came out as {str(read)[:80]!r}")
