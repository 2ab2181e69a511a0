"""Where the payment provider reports, by signed webhooks; and where API users give money back."""

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncSession

from invoices.accounts.access import REFUSALS, ManagerDep
from invoices.errors import Invalid, ServiceError, TooLarge, Unreadable, UnsupportedType, responses
from invoices.exact_json import ExactJsonRoute
from invoices.invoices import schemas
from invoices.invoices import service as invoices
from invoices.invoices.answer_seal import AnswerSeal
from invoices.invoices.answers import detail_of
from invoices.invoices.dependencies import InvoiceIdPath, ManagersKeyDep, RingbackDep, SettingsDep
from invoices.invoices.idempotency import KeyInUse, KeyReused, Once
from invoices.invoices.models import Invoice
from invoices.payments.body import BodyTooLarge, read_body
from invoices.payments.provider import ForgedEvent
from invoices.payments.refunds import InvalidAmount, NotRefundable, Refunds
from invoices.payments.service import Cashier
from invoices.rate_limits import RateLimits, TooManyGuesses

__all__ = ["Received", "refunds_router", "router"]

MAX_EVENT = 256 * 1024

router = APIRouter(tags=["payments"])
refunds_router = APIRouter(
    prefix="/invoices",
    tags=["invoices"],
    route_class=ExactJsonRoute,
    responses=responses(*REFUSALS, Invalid),
)


class Received(BaseModel):
    """The event is stored; whether it changed something is not the provider's concern."""

    received: bool = Field(default=True, examples=[True])


class BadEvent(ServiceError):
    """The webhook is not signed by the provider, or not an event."""

    status_code = 400


@router.post(
    "/payments/stripe",
    summary="Receive an event of the payment provider",
    responses=responses(BadEvent, TooLarge, TooManyGuesses),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"type": "object", "title": "Event of Stripe"}}},
        },
        "parameters": [
            {
                "name": "Stripe-Signature",
                "in": "header",
                "required": True,
                "schema": {"type": "string"},
                "description": "Time and signature of the raw body, as Stripe documents them.",
            }
        ],
    },
)
async def receive_event(request: Request) -> Received:
    """Called by Stripe, or by the built-in sandbox.

    The signature is verified on the raw body. Events that are repeated, unknown or about something else are
    acknowledged and change nothing.
    """
    try:
        body = await read_body(request, MAX_EVENT)
        event = request.app.state.provider.verify_event(body, request.headers.get("stripe-signature"))
    except BodyTooLarge as error:
        raise TooLarge(f"an event has at most {error.limit} bytes", field="body") from error
    except ForgedEvent as error:
        limits: RateLimits = request.app.state.rate_limits
        limits.count_guess(request, "signatures")
        raise BadEvent(str(error), field="Stripe-Signature", place="header") from error
    await Cashier.of(request.app.state).receive(event)
    return Received()


@refunds_router.post(
    "/{invoice_id}/refund",
    response_model=schemas.InvoiceDetail,
    responses=responses(
        Unreadable,
        invoices.InvoiceNotFound,
        NotRefundable,
        KeyInUse,
        TooLarge,
        UnsupportedType,
        Invalid,
        InvalidAmount,
        KeyReused,
    ),
)
async def refund_invoice(
    invoice_id: InvoiceIdPath,
    account: ManagerDep,
    key: ManagersKeyDep,
    settings: SettingsDep,
    ringback: RingbackDep,
    request: Request,
    refund: schemas.RefundRequest | None = None,
) -> Response:
    """Give money back: all that was paid, or a part.

    Send an `Idempotency-Key`: the same request again then gives nothing back a second time. You are called
    back when the money has gone; a provider that cannot be reached now is asked again until it answers.
    """
    seal = AnswerSeal(settings.server_keys)

    def once_of(session: AsyncSession, request_hash: str) -> Once:
        return Once(session, account.id, key, request_hash, seal)

    async def answer(session: AsyncSession, row: Invoice) -> str:
        return (await detail_of(row, session, settings, ringback)).model_dump_json()

    said = await Refunds.of(request.app.state).make(
        account.id,
        invoice_id,
        None if refund is None else refund.amount,
        key=key,
        once_of=once_of,
        answer=answer,
    )
    return Response(said, media_type="application/json")
