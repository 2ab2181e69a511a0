"""What the API's document shows of an invoice: what is sent, what is answered."""

import unicodedata
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    EmailStr,
    Field,
    HttpUrl,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from invoices.invoices import money
from invoices.invoices.lifecycle import Status

# Control characters, halves of surrogate pairs, line and paragraph separators.
_UNPRINTABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})


def _refuse(kind: str, reason: str) -> PydanticCustomError:
    # The reason is no template: braces in it would be read as placeholders.
    return PydanticCustomError(kind, "{reason}", {"reason": reason})


def _one_line(text: str) -> str:
    if any(unicodedata.category(character) in _UNPRINTABLE for character in text):
        raise _refuse("one_line", "must be one line without control characters")
    # Some releases of Python decode such a word in a mail's header into whatever it hides, line breaks too.
    if "=?" in text:
        raise _refuse("one_line", 'must not contain "=?", which mail programs read as encoded text')
    return text


def _identifier(text: str) -> str:
    if "/" in text or "\\" in text:
        raise _refuse("identifier", "must not contain a slash, because it becomes part of a URL's path")
    if text in (".", ".."):
        raise _refuse("identifier", "must not be a dot segment, which would change a URL's path")
    if not text.isprintable() or text != text.strip():
        raise _refuse("identifier", "must be printable, without spaces at its ends")
    return text


def _amount(value: Any) -> Decimal:
    try:
        return money.read_amount(value)
    except money.MoneyError as error:
        raise _refuse("amount", str(error)) from None


def _currency(code: str) -> str:
    if code not in money.EXPONENTS:
        raise _refuse("currency", "is not a currency code of ISO 4217, such as USD or EUR")
    return code


Line = Annotated[str, AfterValidator(_one_line)]
InvoiceId = Annotated[str, StringConstraints(min_length=1, max_length=255), AfterValidator(_identifier)]
Amount = Annotated[
    Decimal,
    BeforeValidator(_amount),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 10**money.MAX_DIGITS},
                {"type": "string", "pattern": money.PATTERN},
            ]
        }
    ),
]
Currency = Annotated[
    str,
    StringConstraints(min_length=3, max_length=3),
    AfterValidator(_currency),
    WithJsonSchema({"type": "string", "enum": sorted(money.EXPONENTS)}),
]


class Invoice(BaseModel):
    """An invoice to send to a customer."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"id": "2expen51ve", "customer": "Mr. Richie Rich", "total": "9999"}],
        },
    )

    id: InvoiceId = Field(description="Your own word for the invoice. Sending it again makes no second one.")
    title: Annotated[Line, StringConstraints(min_length=1, max_length=300)] | None = Field(
        default=None, description="What the invoice is for."
    )
    customer: Annotated[Line, StringConstraints(min_length=1, max_length=200)] = Field(
        description="The name of whoever shall pay."
    )
    customer_email: Annotated[EmailStr, AfterValidator(_one_line)] | None = Field(
        default=None, description="Where the invoice is sent. Without it, pass on `pay_url` yourself."
    )
    total: Amount = Field(
        description="The amount, as a number or as text, with no more decimals than the currency has."
    )
    currency: Currency | None = Field(default=None, description="ISO 4217; the service's own when missing.")


class Delivery(BaseModel):
    """One callback that is owed to you, or was made."""

    id: str = Field(description="The `webhook-id`, the same in every attempt.")
    callback: str = Field(description="The callback's name in this document.")
    url: str = Field(description="The URL that is called.")
    state: str = Field(description="pending, waiting, delivered, dead or cancelled.")
    attempts: int = Field(description="How often it was tried.")
    next_attempt_at: datetime | None = Field(
        description="When it is tried next, if it is: in this minute at the latest."
    )
    status_code: int | None = Field(description="Your last answer's status.")
    verdict: str | None = Field(
        description="What came of it, in words: what your answer was, or that none was usable."
    )
    created_at: datetime
    finished_at: datetime | None


class InvoiceState(BaseModel):
    """An invoice as it stands."""

    id: str
    title: str | None
    customer: str
    customer_email: str | None
    total: Decimal = Field(description="The amount as text, with all decimals of its currency.")
    currency: str
    status: Status
    pay_url: str = Field(description="The page where the customer sees the invoice and pays it.")
    callback_url: str | None
    created_at: datetime
    paid_at: datetime | None
    voided_at: datetime | None


class Greeting(BaseModel):
    """What the answer says first."""

    msg: str = Field(default="Invoice received", examples=["Invoice received"])


class InvoiceReceived(InvoiceState, Greeting):
    """The answer to a new invoice, and to the same one sent again."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "msg": "Invoice received",
                    "id": "2expen51ve",
                    "title": None,
                    "customer": "Mr. Richie Rich",
                    "customer_email": None,
                    "total": "9999.00",
                    "currency": "USD",
                    "status": "open",
                    "pay_url": "https://pay.example/pay/YPc6juwz4BnDfhBE32glKBYZ6SjFjguyVU-rK-OiUm8",
                    "callback_url": "https://www.external.org/events",
                    "created_at": "2026-11-24T12:00:00Z",
                    "paid_at": None,
                    "voided_at": None,
                }
            ]
        }
    )


class InvoiceDetail(InvoiceState):
    """An invoice, and what became of its callbacks."""

    deliveries: list[Delivery]


class InvoicePage(BaseModel):
    """Some invoices, newest first."""

    invoices: list[InvoiceState]
    next_cursor: str | None = Field(description="Give it as `cursor` to read on; null at the end.")


CallbackUrl = Annotated[
    HttpUrl,
    Field(
        description="Where to call you back about the invoice: the beginning of the callback's URL.",
        examples=["https://www.external.org/events"],
    ),
]
