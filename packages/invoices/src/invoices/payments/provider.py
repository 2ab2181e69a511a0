"""The one payment adapter, on Stripe's official SDK: the same code for Stripe and for the sandbox."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Self

import stripe

from invoices.payments._http import ProviderHttp
from invoices.payments._stripe_objects import (
    NotStripe,
    ProviderEvent,
    read_event,
    read_refund,
    read_session,
)
from invoices.payments.keys import ProviderKeys
from invoices.payments.lifecycle import Report, Returned
from invoices.settings import Settings

__all__ = [
    "CheckoutRequest",
    "ForgedEvent",
    "KeyTaken",
    "Provider",
    "ProviderError",
    "ProviderEvent",
    "RefundRequest",
    "Refused",
    "Unavailable",
]

# The SDK would keep an identifier in the home directory, and report timings and the platform with each call.
stripe.enable_telemetry = False

# At DEBUG the SDK logs whole requests and answers: customers' addresses, and links that open invoices.
logging.getLogger("stripe").setLevel(logging.INFO)

DEADLINE: Final = 25.0
"""Seconds for one call, its retries included; a customer is waiting."""


class ProviderError(Exception):
    """The provider did not do what was asked."""


class Unavailable(ProviderError):
    """No answer, or a temporary refusal: the same call may work later, with the same idempotency key."""


class Refused(ProviderError):
    """The provider understood and will not do it; repeating does not help. `code` is Stripe's error code."""

    def __init__(self, message: str, code: str | None = None) -> None:
        self.code = code
        super().__init__(message)


class KeyTaken(ProviderError):
    """The idempotency key was used with other parameters; a new payment needs a new key."""


class ForgedEvent(ProviderError):
    """A webhook whose signature, time or form is not the provider's."""


@dataclass(frozen=True, slots=True)
class CheckoutRequest:
    """A checkout to be made, in the provider's units; reports repeat `reference` and `invoice_id`."""

    reference: str
    invoice_id: str
    account_id: str
    amount: int
    currency: str
    title: str
    customer_email: str | None
    success_url: str
    cancel_url: str


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """A refund to be made, of a payment as the provider names it. `amount` counts the provider's units."""

    reference: str
    provider_payment: str
    amount: int


class Provider:
    """Stripe, or something that speaks like it at `api_base`.

    The key decides whether real money moves: `livemode` is false for keys with ``_test_`` in them.
    """

    def __init__(self, *, api_key: str, webhook_secret: str, api_base: str | None = None) -> None:
        self.livemode = "_test_" not in api_key
        self._webhook_secret = webhook_secret
        # Another base is a server of ours, which a proxy of the environment would not reach.
        self._http = ProviderHttp(trust_env=api_base is None)
        self._client = stripe.StripeClient(
            api_key,
            base_addresses={"api": api_base} if api_base else None,
            http_client=self._http,
            max_network_retries=2,
        )

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The provider that the settings name; the sandbox answers below the service's own address."""
        keys = ProviderKeys.of(settings)
        base = settings.stripe_api_base
        if settings.payments == "sandbox":
            base = base or f"{settings.site}/sandbox"
        return cls(api_key=keys.api_key, webhook_secret=keys.webhook_secret, api_base=base)

    async def create_checkout(self, request: CheckoutRequest, *, idempotency_key: str) -> Report:
        """Make a checkout session, or get the one that this key has made already.

        Raises `Unavailable`, `Refused`, `KeyTaken`.
        """
        metadata = {
            "payment": request.reference,
            "invoice_id": request.invoice_id,
            "account": request.account_id,
        }
        parameters: dict[str, Any] = {
            "mode": "payment",
            "line_items": [
                {
                    "quantity": 1,
                    "price_data": {
                        "currency": request.currency.lower(),
                        "unit_amount": request.amount,
                        "product_data": {"name": request.title},
                    },
                }
            ],
            "success_url": request.success_url,
            "cancel_url": request.cancel_url,
            "metadata": metadata,
            "payment_intent_data": {"metadata": metadata},
        }
        # Stripe takes 200 characters here; an invoice's id may be longer, and is whole in the metadata.
        if len(request.invoice_id) <= 200:
            parameters["client_reference_id"] = request.invoice_id
        if request.customer_email:
            parameters["customer_email"] = request.customer_email
        async with _translated():
            session = await self._client.v1.checkout.sessions.create_async(
                parameters,  # type: ignore[arg-type]  # built step by step, which a TypedDict cannot follow
                {"idempotency_key": idempotency_key},
            )
            return read_session(session.to_dict(), at=datetime.now(UTC))

    async def retrieve_checkout(self, session_id: str) -> Report:
        """How a checkout session stands now. Raises `Unavailable` or `Refused`."""
        async with _translated():
            session = await self._client.v1.checkout.sessions.retrieve_async(session_id)
            return read_session(session.to_dict(), at=datetime.now(UTC))

    async def expire_checkout(self, session_id: str) -> Report:
        """Close a checkout session, so that nobody can pay there. Raises `Unavailable` or `Refused`."""
        async with _translated():
            session = await self._client.v1.checkout.sessions.expire_async(session_id)
            return read_session(session.to_dict(), at=datetime.now(UTC))

    async def create_refund(self, request: RefundRequest) -> Returned:
        """Give money back, or learn of the refund that this reference, which is the key, has made already.

        Raises `Unavailable`, `Refused`, `KeyTaken`.
        """
        async with _translated():
            refund = await self._client.v1.refunds.create_async(
                {
                    "payment_intent": request.provider_payment,
                    "amount": request.amount,
                    "metadata": {"refund": request.reference},
                },
                {"idempotency_key": f"refund-{request.reference}"},
            )
            return read_refund(refund.to_dict(), at=datetime.now(UTC))

    async def retrieve_refund(self, refund_id: str) -> Returned:
        """How a refund stands now. Raises `Unavailable` or `Refused`."""
        async with _translated():
            refund = await self._client.v1.refunds.retrieve_async(refund_id)
            return read_refund(refund.to_dict(), at=datetime.now(UTC))

    def verify_event(self, body: bytes, signature: str | None) -> ProviderEvent:
        """The event in a webhook's raw body; raises `ForgedEvent` unless the provider has signed it."""
        try:
            event = stripe.Webhook.construct_event(body, signature, self._webhook_secret)
            return read_event(event.to_dict())
        except (stripe.SignatureVerificationError, ValueError, AttributeError, NotStripe) as error:
            # The SDK's message may repeat the payload, which belongs into no log.
            raise ForgedEvent(
                "the Stripe-Signature header does not match this body, or the body is not an event; check "
                "that INVOICES_STRIPE_WEBHOOK_SECRET is this endpoint's secret, and this machine's clock"
            ) from error

    async def close(self) -> None:
        """Close the connections to the provider."""
        await self._http.close_async()


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    """The SDK's errors, by what the caller can do about them."""
    try:
        async with asyncio.timeout(DEADLINE):
            yield
    except stripe.IdempotencyError as error:
        if error.code == "idempotency_key_in_use":
            raise Unavailable(_told(error)) from error
        raise KeyTaken(_told(error)) from error
    except stripe.InvalidRequestError as error:
        raise Refused(_told(error), error.code) from error
    except (stripe.StripeError, TimeoutError, NotStripe) as error:
        raise Unavailable(_told(error)) from error


def _told(error: Exception) -> str:
    """The provider's own words where it has answered; the SDK's texts about the network are a page long."""
    status = getattr(error, "http_status", None)
    message = getattr(error, "user_message", None) if status else None
    return f"{type(error).__name__}{f' {status}' if status else ''}: {message or 'no usable answer'}"
