"""What the service reminds itself of about payments: unknown results are asked for, until they are known.

Every reminder is a delivery of Ringback's outbox on the channel `payments`, stored in the transaction that
makes it necessary. So it survives every restart, and any worker of any machine may do it.
"""

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from invoices.payments import repository
from invoices.payments._refunding import CHANNEL, link_refund, look_later
from invoices.payments._settling import settle
from invoices.payments.lifecycle import UNSETTLED, PaymentState, RefundState
from invoices.payments.models import Payment, Refund
from invoices.payments.provider import Provider, ProviderError, Refused
from invoices.payments.refunds import Refunds
from invoices.payments.service import Cashier
from ringback import Delivery, Outcome

if TYPE_CHECKING:
    from invoices.invoices.models import Invoice
    from ringback import Ringback

__all__ = ["CHANNEL", "TIMEOUT", "Reminded", "owe_closing"]

_log = logging.getLogger(__name__)

TIMEOUT: Final = 60.0
"""Seconds for one reminder: two calls of the provider with their retries, and some room."""

LONGEST: Final = timedelta(hours=12)
"""The longest time between two looks at one payment."""

MOST_LOOKS: Final = 40
"""After so many looks (about 15 days) nobody waits for a payment any more."""

PARKED_ATTEMPTS: Final = 4
"""A refund whose payment nobody here knows by then belongs to another system at the same provider."""


class _Reminder(BaseModel):
    model_config = ConfigDict(extra="forbid")

    payment: str | None = None
    look: Annotated[int, Field(ge=1)] = 1
    refund: str | None = None
    parked: str | None = None
    close: int | None = None


async def owe_closing(session: AsyncSession, ringback: "Ringback", invoice: "Invoice") -> None:
    """Have the checkout of an invoice closed that is not to be paid any more, where one may be open.

    Owed and not done: no transaction is open while the provider is asked for something.
    """
    if await repository.unsettled(session, invoice.pk) is not None:
        await look_later(
            session,
            ringback,
            {"close": invoice.pk},
            to=f"checkout of {invoice.id}",
            key=f"invoice:{invoice.pk}:close",
            owner=invoice.account_id,
            after=timedelta(),
        )


@dataclass(frozen=True, slots=True)
class Reminded:
    """The handler of the channel: does what a reminder says, or says when to try again."""

    cashier: Cashier
    refunds: Refunds

    @property
    def _provider(self) -> Provider:
        return self.cashier.provider

    async def __call__(self, delivery: Delivery) -> Outcome:
        """Do one reminder. A provider that does not answer is asked again by the outbox's schedule."""
        try:
            reminder = _Reminder.model_validate_json(delivery.body)
        except ValidationError as error:
            return Outcome.dead(f"the reminder cannot be read: {error.errors(include_input=False)[0]['msg']}")
        try:
            if reminder.payment is not None:
                return await self._look(reminder.payment, reminder.look)
            if reminder.refund is not None:
                return await self._refund(reminder.refund)
            if reminder.parked is not None:
                return await self._parked(reminder.parked, delivery.attempt)
            return await self._close(reminder.close or 0)
        except ProviderError as error:
            return Outcome.retry(str(error))

    async def _look(self, reference: str, look: int) -> Outcome:
        """Ask how a payment stands of which nobody has told the end; owe the next look where it has none."""
        async with self.cashier.reading() as session:
            payment = await repository.by_reference(session, reference)
        if payment is None or payment.state not in UNSETTLED:
            return Outcome.delivered(f"nothing to ask: {payment.state if payment else 'gone'}")
        report = None
        if payment.session_id is not None:
            report = await self._provider.retrieve_checkout(payment.session_id)
        async with self.cashier.sessions.begin() as session:
            if report is not None:
                await settle(session, self.cashier.ringback, payment, report)
            payment = await session.get_one(Payment, payment.pk, populate_existing=True)
            if payment.state not in UNSETTLED or look >= MOST_LOOKS:
                return Outcome.delivered(f"the payment is {payment.state}")
            invoice: Invoice = await repository.lock_invoice(session, payment.invoice_pk)
            after = min(timedelta(seconds=self.cashier.settings.payment_look_seconds) * 2**look, LONGEST)
            await look_later(
                session,
                self.cashier.ringback,
                {"payment": reference, "look": look + 1},
                to=f"payment of {invoice.id}",
                key=f"payment:{reference}:{look + 1}",
                owner=invoice.account_id,
                after=after,
            )
        return Outcome.delivered(f"the payment is {payment.state}; asked again in {after}")

    async def _refund(self, reference: str) -> Outcome:
        async with self.cashier.reading() as session:
            refund = await repository.refund(session, reference)
        if refund is None or refund.state in (RefundState.SUCCEEDED, RefundState.FAILED):
            return Outcome.delivered(f"nothing to ask: {refund.state if refund else 'gone'}")
        refusal = await self.refunds.ask(refund)
        async with self.cashier.reading() as session:
            refund = await repository.refund(session, reference)
        state = RefundState.FAILED if refund is None else RefundState(refund.state)
        if state in (RefundState.SUCCEEDED, RefundState.FAILED):
            return Outcome.delivered(f"the refund has {state}: {refusal or 'known now'}")
        return Outcome.retry(f"the refund is {state}")

    async def _parked(self, reference: str, attempt: int) -> Outcome:
        async with self.cashier.sessions.begin() as session:
            refund: Refund | None = await repository.refund(session, reference)
            if refund is None or refund.payment_pk is not None:
                return Outcome.delivered("the refund has its payment")
            if await link_refund(session, self.cashier.ringback, refund):
                return Outcome.delivered("the refund has its payment now")
        if attempt >= PARKED_ATTEMPTS:
            _log.warning("refund %s is of a payment that nobody here asked for", reference)
            return Outcome.delivered("of a payment that nobody here asked for")
        return Outcome.retry("nobody here knows the payment yet")

    async def _close(self, invoice_pk: int) -> Outcome:
        """Close the checkout of an invoice that is not to be paid any more, unless it was paid meanwhile."""
        async with self.cashier.reading() as session:
            payment = await repository.unsettled(session, invoice_pk)
        if payment is None or payment.session_id is None or payment.state != PaymentState.OPEN:
            return Outcome.delivered("no checkout is open")
        try:
            report = await self._provider.expire_checkout(payment.session_id)
        except Refused:
            # It has ended otherwise, perhaps with money.
            report = await self._provider.retrieve_checkout(payment.session_id)
        async with self.cashier.sessions.begin() as session:
            await settle(session, self.cashier.ringback, payment, report)
        return Outcome.delivered(f"the checkout is {report.reported}")
