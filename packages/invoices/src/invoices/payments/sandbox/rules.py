"""What happens to a checkout session of the sandbox: a rule for each button of its page, and for time itself.

Every rule takes a session and gives what it becomes and what is told of it. It may put further sessions
``beside`` it. A session that is not in the state that a rule is about stays as it is, and nothing is told.
"""

import secrets
from collections.abc import Callable
from typing import Any, Final

from invoices.payments.sandbox.ledger import Event
from invoices.payments.sandbox.sessions import event, public

__all__ = ["DECISIONS", "LATER", "expire", "pass_time"]

Told = tuple[dict[str, Any], list[Event]]

LATER: Final = 5
"""Seconds until a payment arrives that was approved for later."""


def approve(session: dict[str, Any], *, now: int) -> Told:
    """The customer pays, once."""
    session, events = pass_time(session, now=now)
    if session["status"] != "open":
        return session, events
    paid = _complete(session)
    return paid, [event("checkout.session.completed", public(paid), now)]


def decline(session: dict[str, Any], *, now: int) -> Told:
    """The customer's card is declined: the session stays open, and the failed payment is told."""
    session, events = pass_time(session, now=now)
    if session["status"] != "open":
        return session, events
    inside = session["sandbox"]
    declined = session | {"sandbox": inside | {"declines": inside["declines"] + 1}}
    return declined, [event("payment_intent.payment_failed", _failed_intent(session, now), now)]


def approve_later(session: dict[str, Any], *, now: int) -> Told:
    """The customer pays in a way that takes time, as a bank debit does: promised now, here a little later."""
    session, events = pass_time(session, now=now)
    if session["status"] != "open":
        return session, events
    promised = _complete(session, payment_status="unpaid")
    promised["sandbox"] = session["sandbox"] | {"due": now + LATER}
    return promised, [event("checkout.session.completed", public(promised), now)]


def pay_twice(session: dict[str, Any], *, now: int) -> Told:
    """The customer pays, and pays again in another window."""
    paid, events = approve(session, now=now)
    if not events or paid["payment_status"] != "paid":
        return paid, events
    second = paid | {
        "id": f"cs_test_{secrets.token_hex(29)}",
        "payment_intent": f"pi_{secrets.token_hex(12)}",
    }
    events.append(event("checkout.session.completed", public(second), now))
    return paid | {"beside": [second]}, events


def wrong_amount(session: dict[str, Any], *, now: int) -> Told:
    """The customer pays another amount than was asked for."""
    session, events = pass_time(session, now=now)
    if session["status"] != "open":
        return session, events
    half = max(session["amount_total"] // 2, 1) if session["amount_total"] > 1 else 2
    paid = _complete(session) | {"amount_total": half, "amount_subtotal": half}
    return paid, [event("checkout.session.completed", public(paid), now)]


def never_tell(session: dict[str, Any], *, now: int) -> Told:
    """The customer pays, and the news of it are lost."""
    session, events = pass_time(session, now=now)
    return (_complete(session), []) if session["status"] == "open" else (session, events)


def dispute(session: dict[str, Any], *, now: int) -> Told:
    """The customer's bank wants a payment back that was made."""
    session, events = pass_time(session, now=now)
    if session["payment_status"] != "paid" or session["sandbox"]["disputed"]:
        return session, events
    disputed = session | {"sandbox": session["sandbox"] | {"disputed": True}}
    subject = {
        "id": f"dp_{secrets.token_hex(12)}",
        "object": "dispute",
        "amount": session["amount_total"],
        "created": now,
        "currency": session["currency"],
        "livemode": False,
        "payment_intent": session["payment_intent"],
        "reason": "fraudulent",
        "status": "needs_response",
    }
    return disputed, [*events, event("charge.dispute.created", subject, now)]


DECISIONS: Final[dict[str, Callable[..., Told]]] = {
    "approve": approve,
    "decline": decline,
    "approve_later": approve_later,
    "pay_twice": pay_twice,
    "wrong_amount": wrong_amount,
    "never_tell": never_tell,
    "dispute": dispute,
}
"""What a customer, or their bank, may do on the checkout's page."""


def expire(session: dict[str, Any], *, now: int) -> Told:
    """The seller closes the checkout: nobody can pay there any more."""
    session, events = pass_time(session, now=now)
    if session["status"] != "open":
        return session, events
    expired = session | {"status": "expired", "url": None}
    return expired, [event("checkout.session.expired", public(expired), now)]


def pass_time(session: dict[str, Any], *, now: int) -> Told:
    """A session that nobody completed within its day expires; a payment that was promised arrives."""
    due = session["sandbox"]["due"]
    if due is not None and now >= due:
        paid = session | {"payment_status": "paid", "sandbox": session["sandbox"] | {"due": None}}
        return paid, [event("checkout.session.async_payment_succeeded", public(paid), now)]
    if session["status"] != "open" or now < session["expires_at"]:
        return session, []
    expired = session | {"status": "expired", "url": None}
    return expired, [event("checkout.session.expired", public(expired), now)]


def _complete(session: dict[str, Any], *, payment_status: str = "paid") -> dict[str, Any]:
    return session | {
        "status": "complete",
        "payment_status": payment_status,
        "payment_intent": f"pi_{secrets.token_hex(12)}",
        "customer_details": {"email": session["customer_email"], "name": None},
        "url": None,
    }


def _failed_intent(session: dict[str, Any], now: int) -> dict[str, Any]:
    return {
        "id": f"pi_{secrets.token_hex(12)}",
        "object": "payment_intent",
        "amount": session["amount_total"],
        "amount_received": 0,
        "created": now,
        "currency": session["currency"],
        "last_payment_error": {
            "type": "card_error",
            "code": "card_declined",
            "decline_code": "generic_decline",
            "message": "Your card was declined.",
        },
        "livemode": False,
        "metadata": session["sandbox"]["payment_metadata"],
        "status": "requires_payment_method",
    }
