"""Stripe's objects, read into the service's own words."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from invoices.payments.lifecycle import Report, Reported

__all__ = ["NotStripe", "ProviderEvent", "read_event", "read_session"]


class NotStripe(Exception):
    """A value that does not have the form of Stripe's object."""


@dataclass(frozen=True, slots=True)
class ProviderEvent:
    """A verified event; `report` is None where it says nothing about a payment."""

    id: str
    type: str
    livemode: bool
    created_at: datetime
    report: Report | None


class _Metadata(BaseModel):
    payment: str | None = None
    invoice_id: str | None = None


class _Session(BaseModel):
    id: str
    amount_total: int | None
    created: int
    currency: str | None
    expires_at: int
    livemode: bool
    metadata: _Metadata | None
    payment_intent: str | dict[str, Any] | None
    payment_status: str
    status: str | None
    url: str | None


class _Intent(BaseModel):
    id: str
    amount: int
    currency: str
    livemode: bool
    metadata: _Metadata | None = None


class _Data(BaseModel):
    object: dict[str, Any]


class _Event(BaseModel):
    id: str
    created: int
    data: _Data
    livemode: bool
    type: str


# The session's own fields say the rest; only a payment that failed later cannot be read from them.
_SESSION_EVENTS: Final[dict[str, Reported | None]] = {
    "checkout.session.completed": None,
    "checkout.session.async_payment_succeeded": None,
    "checkout.session.async_payment_failed": Reported.FAILED,
    "checkout.session.expired": None,
}


def read_session(values: dict[str, Any], *, at: datetime, reported: Reported | None = None) -> Report:
    """What a session says about its payment; `reported` where an event says more. Raises `NotStripe`."""
    try:
        session = _Session.model_validate(values)
    except ValidationError as error:
        raise NotStripe(
            f"something that is no checkout session: {error.errors(include_input=False)}"
        ) from error
    metadata = session.metadata or _Metadata()
    intent = session.payment_intent
    return Report(
        reported=reported or _standing(session),
        reference=metadata.payment,
        invoice_id=metadata.invoice_id,
        amount=session.amount_total or 0,
        currency=(session.currency or "").upper(),
        livemode=session.livemode,
        at=at,
        session_id=session.id,
        url=session.url,
        expires_at=_moment(session.expires_at),
        provider_payment=intent["id"] if isinstance(intent, dict) else intent,
    )


def _standing(session: _Session) -> Reported:
    if session.payment_status == "paid":
        return Reported.PAID
    if session.status == "complete":
        return Reported.PROCESSING
    return Reported.EXPIRED if session.status == "expired" else Reported.OPEN


def read_event(values: dict[str, Any]) -> ProviderEvent:
    """What an event says, whose signature was verified. Raises `NotStripe`."""
    try:
        event = _Event.model_validate(values)
    except ValidationError as error:
        raise NotStripe(f"something that is no event: {error.errors(include_input=False)}") from error
    at, subject = _moment(event.created), event.data.object
    report: Report | None = None
    if event.type in _SESSION_EVENTS:
        report = read_session(subject, at=at, reported=_SESSION_EVENTS[event.type])
    elif event.type == "payment_intent.payment_failed":
        report = _of_intent(subject, at)
    return ProviderEvent(event.id, event.type, event.livemode, at, report)


def _of_intent(values: dict[str, Any], at: datetime) -> Report:
    try:
        intent = _Intent.model_validate(values)
    except ValidationError as error:
        raise NotStripe(f"something that is no payment: {error.errors(include_input=False)}") from error
    metadata = intent.metadata or _Metadata()
    return Report(
        reported=Reported.DECLINED,
        reference=metadata.payment,
        invoice_id=metadata.invoice_id,
        amount=intent.amount,
        currency=intent.currency.upper(),
        livemode=intent.livemode,
        at=at,
        provider_payment=intent.id,
    )


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
