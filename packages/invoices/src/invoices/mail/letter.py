"""What one mail will say, frozen when it is queued: an attempt only adds the link to the page."""

import hashlib
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, TypeAdapter, ValidationError

from invoices.pdf import InvoicePdf


class UnreadableLetter(Exception):
    """A queued payload is not a letter of this version, so no attempt can send it."""


class LetterKind(StrEnum):
    """Why a letter is sent: with the invoice, shortly before the due date, or after it."""

    INVOICE = "invoice"
    REMINDER = "reminder"
    OVERDUE = "overdue"


def _web_address(url: str) -> str:
    if not url.startswith(("https://", "http://")) or any(
        letter <= " " or letter in "\"'<>\\" for letter in url
    ):
        raise ValueError(f"the link of a mail must be a plain http or https URL, not {url[:80]!r}")
    return url


@dataclass(frozen=True, slots=True)
class Letter:
    """An invoice on its way to the customer.

    `reference` names invoice, kind and revision, and is all that the Message-ID is made of: every attempt of
    one letter carries the same one. `queued_at` (seconds since 1970) is the letter's date. `to` is None where
    the invoice has no address.
    """

    document: InvoicePdf
    pay_url: Annotated[str, AfterValidator(_web_address)]
    reference: str
    queued_at: int
    to: str | None = None
    kind: LetterKind = LetterKind.INVOICE

    @property
    def digest(self) -> str:
        """32 hexadecimal digits that stand for the reference where its text must not show."""
        return hashlib.sha256(self.reference.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class QueuedLetter:
    """A letter as it waits: all but the link, because whoever has the link may open the page.

    `invoice` is the stored invoice's `pk`, from which the link is made again at the attempt.
    """

    document: InvoicePdf
    invoice: int
    reference: str
    queued_at: int
    to: str | None = None
    kind: LetterKind = LetterKind.INVOICE

    def payload(self) -> Any:
        """The JSON value to queue."""
        return _QUEUED.dump_python(self, mode="json")

    def with_link(self, pay_url: str) -> Letter:
        """The letter to send. Raises pydantic's ValidationError where `pay_url` is no web address."""
        return make_letter(
            document=replace(self.document, pay_url=pay_url),
            pay_url=pay_url,
            reference=self.reference,
            queued_at=self.queued_at,
            to=self.to,
            kind=self.kind,
        )


_LETTERS = TypeAdapter(Letter)
_QUEUED = TypeAdapter(QueuedLetter)


def make_letter(**values: Any) -> Letter:
    """A letter whose values are checked. Raises pydantic's ValidationError."""
    return _LETTERS.validate_python(values)


def read_letter(body: bytes) -> QueuedLetter:
    """The letter in a queued body. Raises UnreadableLetter."""
    try:
        return _QUEUED.validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise UnreadableLetter(
            f"the queued mail cannot be read: {place or 'body'}: {first['msg']}"
        ) from error
