"""Giving money back, in whole or in part. No transaction is open while the provider is asked."""

import hashlib
import json
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Self

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from invoices.errors import Conflict, Invalid
from invoices.invoices import money
from invoices.invoices import service as invoices
from invoices.invoices.idempotency import LIFETIME, Once
from invoices.invoices.lifecycle import Action, NotPossible, require
from invoices.invoices.models import Invoice
from invoices.payments import repository
from invoices.payments._refunding import apply_refund, look_later
from invoices.payments._settling import balance
from invoices.payments.lifecycle import PaymentState, RefundState
from invoices.payments.models import Payment, Refund
from invoices.payments.provider import KeyTaken, Provider, RefundRequest, Refused, Unavailable

if TYPE_CHECKING:
    from ringback import Ringback

__all__ = ["InvalidAmount", "NotRefundable", "Refunds"]

FIRST_LOOK: Final = timedelta(minutes=1)
"""After so long a refund is asked for again, if its end is not known by then."""

Answer = Callable[[AsyncSession, Invoice], Awaitable[str]]
OnceOf = Callable[[AsyncSession, str], Once]


class InvalidAmount(Invalid):
    """More than was paid, or an amount that the currency does not have."""


class NotRefundable(Conflict):
    """There is no money to give back, or the payment provider refuses to."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be asked for, stored already; or the answer that this request had before."""

    kept: str | None = None
    refunds: Sequence[Refund] = ()


@dataclass(frozen=True, slots=True)
class Refunds:
    """The steps between an API user who wants to give money back and a customer who has it."""

    sessions: async_sessionmaker[AsyncSession]
    ringback: "Ringback"
    provider: Provider

    @classmethod
    def of(cls, state: Any) -> Self:
        """Those of an application, from its ``app.state``."""
        return cls(state.sessions, state.ringback, state.provider)

    async def make(
        self,
        account_id: str,
        invoice_id: str,
        amount: Decimal | None,
        *,
        key: str | None,
        once_of: OnceOf,
        answer: Answer,
    ) -> str:
        """Give `amount` back, or all that is left; returns what `answer` makes of the invoice afterwards.

        With a `key` the same request again gets the same answer, and the money goes back once. A provider
        that does not answer is asked again later: the refund is `requested` until then. Raises
        `InvoiceNotFound`, `NotRefundable`, `InvalidAmount`, and what `Once` raises.
        """
        request = hashlib.sha256(json.dumps(["refund", invoice_id, str(amount)]).encode()).hexdigest()
        async with self.sessions.begin() as session:
            plan = await self._plan(session, once_of(session, request), account_id, invoice_id, amount, key)
        if plan.kept is not None:
            return plan.kept
        refusals = [refusal for refund in plan.refunds if (refusal := await self.ask(refund))]
        if refusals and len(refusals) == len(plan.refunds):
            raise NotRefundable(f"the payment provider refuses: {refusals[0]}")
        async with self.sessions.begin() as session:
            once = once_of(session, request)
            if (kept := await once.answer()) is not None:
                return kept
            said = await answer(session, await invoices.get(session, account_id, invoice_id))
            await once.keep(said)
            return said

    async def _plan(
        self,
        session: AsyncSession,
        once: Once,
        account_id: str,
        invoice_id: str,
        amount: Decimal | None,
        key: str | None,
    ) -> _Plan:
        if (kept := await once.answer()) is not None:
            return _Plan(kept)
        invoice = await invoices.get(session, account_id, invoice_id)
        invoice = await repository.lock_invoice(session, invoice.pk)
        if key is not None:
            # Asked for before, by a request whose answer was never stored: it is that one that goes on.
            since = datetime.now(UTC) - LIFETIME
            if begun := await repository.asked_with(session, account_id, key, since=since):
                return _Plan(refunds=begun)
        try:
            require(invoice.status, Action.REFUND)
        except NotPossible as error:
            raise NotRefundable(str(error), field="status", place="invoice") from None
        left = await _left(session, invoice)
        wanted = _wanted(amount, invoice, sum(rest for _payment, rest in left))
        return _Plan(refunds=await self._store(session, invoice, left, wanted, key))

    async def _store(
        self,
        session: AsyncSession,
        invoice: Invoice,
        left: Sequence[tuple[Payment, int]],
        wanted: int,
        key: str | None,
    ) -> list[Refund]:
        stored = []
        for payment, rest in left:
            part = min(wanted, rest)
            if part == 0 or payment.provider_payment is None:
                continue
            wanted -= part
            refund = Refund(
                payment_pk=payment.pk,
                reference=f"ref_{secrets.token_hex(12)}",
                request_key=key,
                provider_payment=payment.provider_payment,
                state=RefundState.REQUESTED,
                amount_minor=part,
                currency=invoice.currency,
                created_at=datetime.now(UTC),
            )
            session.add(refund)
            stored.append(refund)
            await look_later(
                session,
                self.ringback,
                {"refund": refund.reference},
                to=f"refund of {invoice.id}",
                key=f"refund:{refund.reference}",
                owner=invoice.account_id,
                after=FIRST_LOOK,
            )
        await session.flush()
        return stored

    async def ask(self, refund: Refund) -> str | None:
        """Have the provider make a stored refund, or say how it stands; the reason where it will not.

        Asked again it is the same refund there: its name is the idempotency key. No answer changes nothing.
        """
        try:
            if refund.provider_refund is not None:
                returned = await self.provider.retrieve_refund(refund.provider_refund)
            else:
                units = money.provider_units(refund.amount_minor, refund.currency)
                request = RefundRequest(refund.reference, refund.provider_payment, units)
                returned = await self.provider.create_refund(request)
        except Unavailable:
            return None
        except (Refused, KeyTaken) as error:
            await self._give_up(refund, str(error))
            return str(error)
        async with self.sessions.begin() as session:
            await apply_refund(session, self.ringback, returned)
        return None

    async def _give_up(self, refund: Refund, reason: str) -> None:
        assert refund.payment_pk is not None, "we ask for refunds of payments that we know"
        async with self.sessions.begin() as session:
            payment = await session.get_one(Payment, refund.payment_pk)
            invoice = await repository.lock_invoice(session, payment.invoice_pk)
            stored = await session.get_one(Refund, refund.pk, populate_existing=True)
            if stored.state == RefundState.REQUESTED:
                stored.state, stored.detail = RefundState.FAILED, reason
                await balance(session, self.ringback, invoice)


async def _left(session: AsyncSession, invoice: Invoice) -> list[tuple[Payment, int]]:
    """What may still go back of each payment of a locked invoice, the last payment first."""
    payments = await repository.of_invoice(session, invoice.pk)
    paid = [payment for payment in payments if payment.state == PaymentState.PAID]
    refunds = await repository.refunds_of(session, [payment.pk for payment in paid])
    gone = {payment.pk: 0 for payment in paid}
    for refund in refunds:
        if refund.state != RefundState.FAILED and refund.payment_pk is not None:
            gone[refund.payment_pk] += refund.amount_minor
    return [(payment, max(payment.amount_minor - gone[payment.pk], 0)) for payment in reversed(paid)]


def _wanted(amount: Decimal | None, invoice: Invoice, left: int) -> int:
    """The amount in minor units; raises `InvalidAmount` and `NotRefundable`."""
    if left <= 0:
        raise NotRefundable("all that was paid goes back already", field="status", place="invoice")
    if amount is None:
        return left
    try:
        wanted = money.minor_units(amount, invoice.currency)
        money.check_chargeable(wanted, invoice.currency)
    except money.MoneyError as error:
        raise InvalidAmount(str(error), field="amount") from None
    if wanted > left:
        most = money.amount_of(left, invoice.currency)
        raise InvalidAmount(f"at most {most} {invoice.currency} can still go back", field="amount")
    return wanted
