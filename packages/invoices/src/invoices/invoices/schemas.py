"""What the API's document shows of an invoice: what is sent, what is answered."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    EmailStr,
    Field,
    HttpUrl,
    StringConstraints,
    model_validator,
)

from invoices.invoices import lines
from invoices.invoices.callbacks import InvoiceEvent
from invoices.invoices.happenings import Kind
from invoices.invoices.lifecycle import Fact, Status
from invoices.invoices.values import (
    MISSING,
    NO_AMOUNT,
    Amount,
    Currency,
    InvoiceId,
    Line,
    Price,
    Quantity,
    TaxRate,
    Text,
    few,
    one_line,
)
from invoices.languages import LanguageTag


class InvoiceLine(BaseModel):
    """One thing that is charged for."""

    model_config = ConfigDict(extra="forbid")

    description: Annotated[Line, StringConstraints(min_length=1, max_length=500)]
    quantity: Quantity = Field(default=Decimal(1), description="At most 6 decimals.")
    unit_price: Price = Field(
        description="Without tax, with at most 6 decimals; below zero for what is taken off."
    )
    tax_rate: TaxRate = Field(default=Decimal(0), description="In percent, such as 19 or 7.7.")

    def value(self) -> lines.Line:
        """The line as the rule reads it."""
        return lines.Line(self.description, self.quantity, self.unit_price, self.tax_rate)


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
    customer_email: Annotated[EmailStr, AfterValidator(one_line)] | None = Field(
        default=None, description="Where the invoice is sent. Without it, pass on `pay_url` yourself."
    )
    customer_address: Annotated[Text, StringConstraints(min_length=1, max_length=500)] | None = Field(
        default=None, description="Where the customer is, in several lines."
    )
    total: Amount | None = Field(
        default=None,
        description="The amount, as a number or as text, with no more decimals than the currency has. With "
        "`lines` it may be left out, and must be what they come to.",
    )
    # The limit is told in words alone: tools that make requests up from the schema would make them this long.
    lines: Annotated[list[InvoiceLine], Field(min_length=1), AfterValidator(few)] | None = Field(
        default=None,
        description="At most 1000. Each amount is rounded to the currency's smallest unit, a half away "
        "from zero. Tax is computed once for each rate, on the sum of its lines, and rounded likewise.",
    )
    currency: Currency | None = Field(default=None, description="ISO 4217; the service's own when missing.")
    due_on: date | None = Field(
        default=None,
        ge=date(2000, 1, 1),
        le=date(2099, 12, 31),
        description="The last day (UTC) on which it is paid in time. Reminders are sent around it.",
    )
    notes: Annotated[Text, StringConstraints(min_length=1, max_length=2000)] | None = Field(
        default=None, description="What else stands on the invoice, for the customer."
    )
    language: LanguageTag | None = Field(
        default=None,
        description="In which language page, mail and PDF are written; the service's own when missing.",
    )

    @model_validator(mode="before")
    @classmethod
    def _priced(cls, values: Any) -> Any:
        """Without lines the total is required, and null is no amount."""
        if not isinstance(values, dict) or values.get("lines") is not None:
            return values
        total = values.get("total", MISSING)
        return values | {"total": NO_AMOUNT if total is None else total}


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


class MailState(BaseModel):
    """What became of the last mail about the invoice."""

    state: Literal["queued", "sent", "bounced", "unaddressed"] = Field(
        description="`bounced`: it cannot be delivered; `note` says why. `unaddressed`: there is no address."
    )
    note: str | None = Field(description="What the mail server said.")
    revision: int = Field(description="How often the invoice was sent, this time included.")


class InvoiceState(BaseModel):
    """An invoice as it stands."""

    id: str
    number: int | None = Field(description="Counts your invoices from 1, without gaps.")
    title: str | None
    customer: str
    customer_email: str | None
    customer_address: str | None
    total: Decimal = Field(description="The amount as text, with all decimals of its currency.")
    amount_paid: Decimal = Field(description="What was collected and has not gone back.")
    amount_refunded: Decimal = Field(description="What has gone back.")
    currency: str
    due_on: date | None
    notes: str | None
    language: LanguageTag = Field(description="In which language the customer is written to.")
    status: Status
    facts: list[Fact] = Field(description="What you should know beside the status; no fact goes away.")
    mail: MailState
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
                    "number": 1,
                    "title": None,
                    "customer": "Mr. Richie Rich",
                    "customer_email": None,
                    "customer_address": None,
                    "total": "9999.00",
                    "amount_paid": "0.00",
                    "amount_refunded": "0.00",
                    "currency": "USD",
                    "due_on": None,
                    "notes": None,
                    "language": "en",
                    "status": "open",
                    "facts": [],
                    "mail": {"state": "unaddressed", "note": None, "revision": 1},
                    "pay_url": "https://pay.example/pay/YPc6juwz4BnDfhBE32glKBYZ6SjFjguyVU-rK-OiUm8",
                    "callback_url": "https://www.external.org/events",
                    "created_at": "2026-11-24T12:00:00Z",
                    "paid_at": None,
                    "voided_at": None,
                }
            ]
        }
    )


class PricedLine(BaseModel):
    """A line, and what it comes to."""

    description: str
    quantity: Decimal
    unit_price: Decimal
    tax_rate: Decimal
    amount: Decimal


class TaxSum(BaseModel):
    """The tax of one rate."""

    rate: Decimal
    base: Decimal
    amount: Decimal


class InvoiceDetail(InvoiceState):
    """An invoice in full, and what became of its callbacks."""

    lines: list[PricedLine] = Field(description="Empty where the total alone was given.")
    taxes: list[TaxSum]
    deliveries: list[Delivery]


class ListedEvent(InvoiceEvent):
    """Something that happened to the invoice; with the words of the callback, if one was made."""

    kind: Kind
    cursor: str = Field(description="Give it as `cursor` to read what came after.")
    created_at: datetime


class EventPage(BaseModel):
    """What happened to the invoice, in order."""

    events: list[ListedEvent]
    next_cursor: str | None = Field(
        description="Give it as `cursor` to read on, now or later; the same again while nothing has happened."
    )


class RefundRequest(BaseModel):
    """How much to give back."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"amount": "12.50"}]})

    amount: Amount | None = Field(default=None, description="All that was paid, when missing.")


class AccountSettings(BaseModel):
    """What your account has chosen."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"callbacks": ["overdue"]}]})

    callbacks: list[Literal["received", "sent", "bounced", "overdue", "voided", "written_off"]] = Field(
        description="What you are called back about beside what becomes of the money.", max_length=6
    )


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
