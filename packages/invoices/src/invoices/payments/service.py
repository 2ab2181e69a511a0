"""How an invoice's money is collected. No transaction is open while the provider is asked for something."""

import logging
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Self

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from invoices.errors import NotFound
from invoices.invoices import service as invoices
from invoices.invoices.lifecycle import Action, Status, allows
from invoices.invoices.links import pay_url
from invoices.invoices.models import Invoice
from invoices.invoices.money import provider_units
from invoices.payments import repository
from invoices.payments._refunding import apply_refund, look_later
from invoices.payments._settling import Outcome, Settlement, settle
from invoices.payments.lifecycle import UNSETTLED, PaymentState, Reported, Returned
from invoices.payments.models import Payment, PaymentEvent
from invoices.payments.provider import (
    CheckoutRequest,
    KeyTaken,
    Provider,
    ProviderError,
    ProviderEvent,
    Refused,
    Unavailable,
)
from invoices.settings import Settings

if TYPE_CHECKING:
    from ringback import Ringback

__all__ = ["Bill", "Cashier", "Outcome", "UnknownLink"]

_log = logging.getLogger(__name__)

KEY_LIFETIME: Final = timedelta(hours=23)
"""How long a stored idempotency key is used; Stripe remembers keys for at least 24 hours."""

MARGIN: Final = timedelta(minutes=2)
"""A checkout that expires sooner than this is not worth sending a customer to."""


class UnknownLink(NotFound):
    """The link opens no invoice: it was mistyped, or replaced by a newer one."""

    def __init__(self) -> None:
        super().__init__("this link opens no invoice")


@dataclass(frozen=True, slots=True)
class Bill:
    """What the customer sees. `declined`: the last card was refused, and another try is possible.

    `unconfirmed`: the customer came back from the checkout, and the provider knows of no payment.
    """

    invoice: Invoice
    declined: bool
    unconfirmed: bool


@dataclass(frozen=True, slots=True)
class _Plan:
    """A checkout to ask for, whose payment is stored already."""

    payment_pk: int
    idempotency_key: str
    request: CheckoutRequest


@dataclass(frozen=True, slots=True)
class Cashier:
    """The steps between a customer who wants to pay and an invoice that is paid."""

    sessions: async_sessionmaker[AsyncSession]
    ringback: "Ringback"
    provider: Provider
    settings: Settings

    @classmethod
    def of(cls, state: Any) -> Self:
        """The cashier of an application, from its ``app.state``."""
        return cls(state.sessions, state.ringback, state.provider, state.settings)

    async def show(self, token: str, *, returned: bool = False) -> Bill:
        """The invoice behind a link; raises `UnknownLink`.

        `returned` says that the customer comes from the checkout, which proves nothing: the provider is
        asked, so that the page tells the truth even before the event arrives, or if it never does.
        """
        invoice, payment = await self._read(token)
        if payment is not None and _worth_asking(invoice, payment, returned):
            await self._ask(payment)
            invoice, payment = await self._read(token)
        waiting = invoice.status == Status.OPEN and payment is not None and payment.state in UNSETTLED
        declined = waiting and payment is not None and payment.declined_at is not None
        return Bill(invoice, declined=declined, unconfirmed=returned and waiting and not declined)

    async def begin(self, token: str) -> str | None:
        """Where the customer pays: the URL of a checkout; None if the invoice does not wait for a payment.

        However often and from wherever it is called, one session is open at a time. Raises `UnknownLink`;
        `Unavailable` when trying again may help, `Refused` when it does not.
        """
        for _ in range(2):
            plan = await self._plan(token)
            if not isinstance(plan, _Plan):
                return plan
            try:
                report = await self.provider.create_checkout(
                    plan.request, idempotency_key=plan.idempotency_key
                )
            except KeyTaken as error:
                await self._give_up(plan, str(error))
                continue
            except Refused as error:
                await self._give_up(plan, str(error))
                raise
            async with self.sessions.begin() as session:
                payment = await session.get_one(Payment, plan.payment_pk)
                settlement = await settle(session, self.ringback, payment, report)
            if settlement.outcome is Outcome.MISMATCH:
                raise Refused(f"the provider made another checkout than asked for: {settlement.detail}")
            return report.url
        raise Unavailable("the provider knows our idempotency keys from other requests")

    async def receive(self, event: ProviderEvent) -> Outcome:
        """Apply a verified event, once for each event id."""
        async with self.sessions.begin() as session:
            stored = await repository.add_event(
                session,
                {
                    "id": event.id,
                    "type": event.type,
                    "reference": event.report.reference if event.report else None,
                    "livemode": event.livemode,
                    "created_at": event.created_at,
                    "received_at": datetime.now(UTC),
                    "outcome": Outcome.UNRELATED,
                },
            )
            if stored is None:
                return Outcome.DUPLICATE
            settlement = await self._apply(session, event, stored)
            stored.outcome, stored.detail = settlement.outcome, settlement.detail
        return settlement.outcome

    async def _apply(self, session: AsyncSession, event: ProviderEvent, stored: PaymentEvent) -> Settlement:
        if isinstance(event.report, Returned):
            return await self._apply_return(session, event, event.report, stored)
        if event.report is None or event.report.reference is None:
            return Settlement(Outcome.UNRELATED)
        payment = await repository.by_reference(session, event.report.reference)
        if payment is None:
            _log.error("event %s (%s) is about a payment that nobody here asked for", event.id, event.type)
            return Settlement(Outcome.UNKNOWN_PAYMENT)
        return await settle(session, self.ringback, payment, event.report)

    async def _apply_return(
        self, session: AsyncSession, event: ProviderEvent, returned: Returned, stored: PaymentEvent
    ) -> Settlement:
        if event.livemode is not self.provider.livemode:
            _log.error("event %s (%s) is of another mode than this service", event.id, event.type)
            return Settlement(Outcome.MISMATCH, f"livemode is {event.livemode}")
        payment = await repository.by_provider_payment(session, returned.provider_payment)
        stored.reference = None if payment is None else payment.reference
        return await apply_refund(session, self.ringback, returned)

    async def _read(self, token: str) -> tuple[Invoice, Payment | None]:
        async with self.reading() as session:
            invoice = await invoices.get_by_token(session, token)
            if invoice is None:
                raise UnknownLink
            return invoice, await repository.latest(session, invoice.pk)

    async def _ask(self, payment: Payment) -> None:
        assert payment.session_id is not None
        try:
            report = await self.provider.retrieve_checkout(payment.session_id)
        except ProviderError as error:
            _log.warning("payment %s could not be looked up: %s", payment.reference, error)
            return
        if report.reported is not Reported.OPEN:
            async with self.sessions.begin() as session:
                await settle(session, self.ringback, payment, report)

    async def _plan(self, token: str) -> _Plan | str | None:
        """The checkout to make, the URL of the one that is open, or None where there is nothing to pay."""
        now = datetime.now(UTC)
        async with self.sessions.begin() as session:
            invoice = await invoices.get_by_token(session, token)
            if invoice is None:
                raise UnknownLink
            invoice = await repository.lock_invoice(session, invoice.pk)
            if not allows(invoice.status, Action.PAY):
                return None
            payment = await repository.unsettled(session, invoice.pk)
            if payment is not None and (ended := _outlived(payment, now)) is not None:
                payment.state, payment.closed_at = PaymentState.EXPIRED, ended
                await session.flush()
                payment = None
            if payment is None:
                payment = await self._new_payment(session, invoice, now)
            if payment.state == PaymentState.OPEN:
                return payment.checkout_url
            return _Plan(payment.pk, payment.idempotency_key, self._request(invoice, payment))

    async def _new_payment(self, session: AsyncSession, invoice: Invoice, now: datetime) -> Payment:
        reference = f"pay_{secrets.token_hex(12)}"
        payment = Payment(
            invoice_pk=invoice.pk,
            attempt=await repository.last_attempt(session, invoice.pk) + 1,
            reference=reference,
            idempotency_key=f"checkout-{reference}",
            state=PaymentState.STARTING,
            amount_minor=invoice.total_minor,
            currency=invoice.currency,
            livemode=self.provider.livemode,
            created_at=now,
        )
        session.add(payment)
        await session.flush()
        await look_later(
            session,
            self.ringback,
            {"payment": reference, "look": 1},
            to=f"payment of {invoice.id}",
            key=f"payment:{reference}:1",
            owner=invoice.account_id,
            after=timedelta(seconds=self.settings.payment_look_seconds),
        )
        return payment

    def _request(self, invoice: Invoice, payment: Payment) -> CheckoutRequest:
        page = pay_url(self.settings, invoice)
        title = " ".join((invoice.title or "").split()) or f"Invoice {invoice.id}"
        return CheckoutRequest(
            reference=payment.reference,
            invoice_id=invoice.id,
            account_id=invoice.account_id,
            amount=provider_units(payment.amount_minor, payment.currency),
            currency=payment.currency,
            title=title if len(title) <= 200 else f"{title[:199]}…",
            customer_email=invoice.customer_email,
            success_url=f"{page}?returned=1",
            cancel_url=page,
        )

    async def _give_up(self, plan: _Plan, reason: str) -> None:
        _log.error("the provider does not make the checkout of %s: %s", plan.request.reference, reason)
        async with self.sessions.begin() as session:
            payment = await repository.lock_payment(session, plan.payment_pk)
            if payment.state == PaymentState.STARTING:
                payment.state, payment.closed_at = PaymentState.FAILED, datetime.now(UTC)
                payment.flag, payment.flag_detail = "refused", reason

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A transaction that only reads, and is over before the provider is asked for something."""
        async with self.sessions() as session:
            await session.connection(execution_options={"sqlite_read_only": True})
            yield session


def _worth_asking(invoice: Invoice, payment: Payment, returned: bool) -> bool:
    if payment.session_id is None or payment.state not in UNSETTLED:
        return False
    return invoice.status == Status.PROCESSING or (returned and invoice.status == Status.OPEN)


def _outlived(payment: Payment, now: datetime) -> datetime | None:
    """When the payment's checkout ended, or ends so soon that nobody should be sent there; None if later."""
    if payment.state == PaymentState.STARTING:
        end = payment.created_at + KEY_LIFETIME
    elif payment.state == PaymentState.OPEN and payment.expires_at is not None:
        end = payment.expires_at - MARGIN
    else:
        return None
    return end if now > end else None
