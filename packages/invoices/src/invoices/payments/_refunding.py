"""What a provider says of refunds and disputes, applied inside one transaction."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy.ext.asyncio import AsyncSession

from invoices.invoices.money import from_provider_units
from invoices.payments import repository
from invoices.payments._settling import Outcome, Settlement, balance
from invoices.payments.lifecycle import RefundState, Returned, furthest_refund
from invoices.payments.models import Refund

if TYPE_CHECKING:
    from ringback import Ringback

__all__ = ["CHANNEL", "apply_refund", "link_refund", "look_later"]

CHANNEL: Final = "payments"
"""The channel on which the service reminds itself of what it has to ask the provider for."""

PARKED: Final = timedelta(seconds=5)
"""After so long a refund of an unknown payment is looked at again: both may have come to be known at once."""


async def look_later(
    session: AsyncSession,
    ringback: "Ringback",
    payload: dict[str, object],
    *,
    to: str,
    key: str,
    owner: str,
    after: timedelta,
) -> None:
    """Owe ourselves a look at a payment or a refund, in the transaction that makes it necessary."""
    await ringback.enqueue(session, CHANNEL, payload, to=to, key=key, owner=owner, not_before=after)


async def apply_refund(session: AsyncSession, ringback: "Ringback", returned: Returned) -> Settlement:
    """Apply what the provider says of a refund or a dispute, whoever asked for it there.

    One of a payment that nobody here knows yet is parked, and counts once that payment has arrived.
    """
    payment = await repository.by_provider_payment(session, returned.provider_payment)
    invoice = None if payment is None else await repository.lock_invoice(session, payment.invoice_pk)
    refund = await repository.find_refund(session, returned.id, returned.reference)
    if refund is None:
        refund = await repository.add_refund(session, _made_elsewhere(returned))
    refund.provider_refund = refund.provider_refund or returned.id
    before, refund.state = refund.state, furthest_refund(RefundState(refund.state), returned.state)
    if refund.state != before:
        refund.detail = returned.detail
        refund.settled_at = returned.at
    if payment is None or invoice is None:
        await _park(session, ringback, refund)
        return Settlement(Outcome.PARKED, "nobody here knows the payment yet")
    refund.payment_pk = payment.pk
    await session.flush()
    await balance(session, ringback, invoice)
    return Settlement(Outcome.NO_CHANGE if refund.state == before else Outcome.APPLIED)


def _made_elsewhere(returned: Returned) -> Refund:
    return Refund(
        kind=returned.kind,
        reference=returned.id,
        provider_refund=returned.id,
        provider_payment=returned.provider_payment,
        state=RefundState.REQUESTED,
        amount_minor=from_provider_units(returned.amount, returned.currency),
        currency=returned.currency,
        created_at=datetime.now(UTC),
    )


async def _park(session: AsyncSession, ringback: "Ringback", refund: Refund) -> None:
    await look_later(
        session,
        ringback,
        {"parked": refund.reference},
        to=f"refund {refund.reference}",
        key=f"parked:{refund.reference}",
        owner="",
        after=PARKED,
    )


async def link_refund(session: AsyncSession, ringback: "Ringback", refund: Refund) -> bool:
    """Give a parked refund its payment; False while nobody here knows that."""
    payment = await repository.by_provider_payment(session, refund.provider_payment)
    if payment is None:
        return False
    invoice = await repository.lock_invoice(session, payment.invoice_pk)
    refund.payment_pk = payment.pk
    await session.flush()
    await balance(session, ringback, invoice)
    return True
