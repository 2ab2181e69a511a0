"""What may stand in a mail's header, and the proof that nothing else does once the mail is bytes."""

import re
import unicodedata
from email import message_from_bytes
from email.message import EmailMessage
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


def header_text(value: str) -> str:
    """`value` as it may stand in a header, shortened to 200 characters.

    Raises UnsafeHeader on control characters and on `=?`, which opens an encoded word (RFC 2047): older
    releases of Python decode one into a line break (CVE-2024-6923).
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


def check_bytes(raw: bytes, meant: EmailMessage) -> None:
    """Reads a mail's bytes again and compares them with what was meant. Raises UnsafeHeader.

    The same header names in the same order, the same values, and in the parts below only what parts carry.
    """
    if _STRAY_BREAK.search(raw):
        raise UnsafeHeader("the mail holds a carriage return or line feed on its own")
    lines = re.split(rb"\r\n(?![ \t])", raw.partition(b"\r\n\r\n")[0])
    names = [line.partition(b":")[0].decode("ascii", "replace") for line in lines]
    if names != list(TOP_HEADERS) and names != [name for name in TOP_HEADERS if name != "To"]:
        raise UnsafeHeader(f"the mail's headers came out as {names}")
    read = message_from_bytes(raw, policy=meant.policy)
    for name in names:
        if str(read[name]) != str(meant[name]):
            raise UnsafeHeader(f"the header {name} came out as {str(read[name])[:80]!r}")
    for part in read.walk():
        if part is not read and part.keys() not in _PART_HEADERS.get(part.get_content_type(), []):
            raise UnsafeHeader(f"a part of the mail came out with the headers {part.keys()}")
