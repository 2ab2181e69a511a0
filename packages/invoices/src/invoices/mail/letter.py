"""What one mail will say, frozen when it is queued: no attempt looks at the invoice again."""

import hashlib
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, TypeAdapter, ValidationError

from invoices.pdf import InvoicePdf


class UnreadableLetter(Exception):
    """A queued payload is not a letter of this version, so no attempt can send it."""


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

    @property
    def digest(self) -> str:
        """32 hexadecimal digits that stand for the reference where its text must not show."""
        return hashlib.sha256(self.reference.encode()).hexdigest()[:32]

    def payload(self) -> Any:
        """The JSON value to queue."""
        return _LETTERS.dump_python(self, mode="json")


_LETTERS = TypeAdapter(Letter)


def make_letter(**values: Any) -> Letter:
    """A letter whose values are checked. Raises pydantic's ValidationError."""
    return _LETTERS.validate_python(values)


def read_letter(body: bytes) -> Letter:
    """The letter in a queued body. Raises UnreadableLetter."""
    try:
        return _LETTERS.validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise UnreadableLetter(
            f"the queued mail cannot be read: {place or 'body'}: {first['msg']}"
        ) from error
