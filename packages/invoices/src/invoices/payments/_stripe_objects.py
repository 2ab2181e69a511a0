"""Stripe's objects, read into the service's own words."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from invoices.payments.lifecycle import RefundState, Report, Reported, Return, Returned

__all__ = ["NotStripe", "ProviderEvent", "read_event", "read_refund", "read_session"]


_Model = TypeVar("_Model", bound=BaseModel)


class NotStripe(Exception):
    """A value that does not have the form of Stripe's object."""


@dataclass(frozen=True, slots=True)
class ProviderEvent:
    """A verified event; `report` is None where it says nothing about a payment."""

    id: str
    type: str
    livemode: bool
    created_at: datetime
    report: Report | Returned | None


class _Metadata(BaseModel):
    payment: str | None = None
    invoice_id: str | None = None
    refund: str | None = None


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


class _Refund(BaseModel):
    id: str
    amount: int
    created: int
    currency: str
    failure_reason: str | None = None
    metadata: _Metadata | None = None
    payment_intent: str | dict[str, Any] | None
    status: str | None


class _Dispute(BaseModel):
    id: str
    amount: int
    currency: str
    payment_intent: str | dict[str, Any] | None
    status: str


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

_REFUND_EVENTS: Final = ("refund.created", "refund.updated", "refund.failed", "charge.refund.updated")
_DISPUTE_EVENTS: Final = ("charge.dispute.created", "charge.dispute.updated", "charge.dispute.closed")
_REFUND_STATES: Final = {
    "succeeded": RefundState.SUCCEEDED,
    "failed": RefundState.FAILED,
    "canceled": RefundState.FAILED,
}
_DISPUTE_STATES: Final = {
    "lost": RefundState.SUCCEEDED,
    "won": RefundState.FAILED,
    "warning_closed": RefundState.FAILED,
    "prevented": RefundState.FAILED,
}


def read_session(
    values: dict[str, Any], *, at: datetime, reported: Reported | None = None, event: str | None = None
) -> Report:
    """What a session says about its payment; `reported` where an event says more. Raises `NotStripe`."""
    session = _read(_Session, values, "checkout session")
    metadata = session.metadata or _Metadata()
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
        provider_payment=_id_of(session.payment_intent),
        event=event,
    )


def read_refund(values: dict[str, Any], *, at: datetime) -> Returned:
    """What a refund says of itself. Raises `NotStripe`, also for one that belongs to no payment intent."""
    refund = _read(_Refund, values, "refund")
    return Returned(
        kind=Return.REFUND,
        id=refund.id,
        reference=(refund.metadata or _Metadata()).refund,
        provider_payment=_named(refund.payment_intent),
        state=_REFUND_STATES.get(refund.status or "", RefundState.PENDING),
        amount=refund.amount,
        currency=refund.currency.upper(),
        at=at,
        detail=refund.failure_reason,
    )


def _standing(session: _Session) -> Reported:
    if session.payment_status == "paid":
        return Reported.PAID
    if session.status == "complete":
        return Reported.PROCESSING
    return Reported.EXPIRED if session.status == "expired" else Reported.OPEN


def read_event(values: dict[str, Any]) -> ProviderEvent:
    """What an event says, whose signature was verified. Raises `NotStripe`."""
    event = _read(_Event, values, "event")
    report = _report(event, event.data.object, _moment(event.created))
    return ProviderEvent(event.id, event.type, event.livemode, _moment(event.created), report)


def _report(event: _Event, subject: dict[str, Any], at: datetime) -> Report | Returned | None:
    if event.type in _SESSION_EVENTS:
        return read_session(subject, at=at, reported=_SESSION_EVENTS[event.type], event=event.id)
    if event.type == "payment_intent.payment_failed":
        return _of_intent(subject, at, event.id)
    # What moved without a payment intent, by an older interface of Stripe, is none of ours.
    if not subject.get("payment_intent"):
        return None
    if event.type in _REFUND_EVENTS:
        return read_refund(subject, at=at)
    return _of_dispute(subject, at) if event.type in _DISPUTE_EVENTS else None


def _of_intent(values: dict[str, Any], at: datetime, event: str) -> Report:
    intent = _read(_Intent, values, "payment")
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
        event=event,
    )


def _of_dispute(values: dict[str, Any], at: datetime) -> Returned:
    dispute = _read(_Dispute, values, "dispute")
    return Returned(
        kind=Return.DISPUTE,
        id=dispute.id,
        reference=None,
        provider_payment=_named(dispute.payment_intent),
        state=_DISPUTE_STATES.get(dispute.status, RefundState.PENDING),
        amount=dispute.amount,
        currency=dispute.currency.upper(),
        at=at,
        detail=f"the dispute is {dispute.status}",
    )


def _read(model: type[_Model], values: dict[str, Any], what: str) -> _Model:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise NotStripe(f"something that is no {what}: {error.errors(include_input=False)}") from error


def _id_of(value: str | dict[str, Any] | None) -> str | None:
    return str(value.get("id")) if isinstance(value, dict) else value


def _named(value: str | dict[str, Any] | None) -> str:
    found = _id_of(value)
    if found is None:
        raise NotStripe("something that belongs to no payment intent")
    return found


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
