"""The invoice operations over HTTP: they translate, and decide nothing."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from invoices.accounts.access import REFUSALS, CreatorDep, ManagerDep, ReaderDep
from invoices.database import ReadSessionDep, SessionDep, reading
from invoices.errors import Invalid, ServiceError, TooLarge, Unreadable, UnsupportedType, responses
from invoices.exact_json import ExactJsonRoute
from invoices.invoices import money, schemas, service
from invoices.invoices.answer_seal import AnswerSeal
from invoices.invoices.callbacks import invoices_callback_router
from invoices.invoices.deliveries import delivery_of
from invoices.invoices.idempotency import IdempotencyKey, KeyInUse, KeyReused, Once
from invoices.invoices.lifecycle import Status
from invoices.invoices.models import Invoice
from invoices.pdf import InvoicePdf, PdfFailed, Renderer
from invoices.settings import Settings
from ringback import Callbacks, Ringback

__all__ = ["router"]


class PdfUnavailable(ServiceError):
    """The PDF cannot be made now; the invoice itself stays valid."""

    status_code = 503


router = APIRouter(
    prefix="/invoices",
    tags=["invoices"],
    route_class=ExactJsonRoute,
    responses=responses(*REFUSALS, Invalid),
)

InvoiceIdPath = Annotated[str, Path(max_length=255, description="Your own word for the invoice.")]


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


def _ringback(request: Request) -> Ringback:
    ringback: Ringback = request.app.state.ringback
    return ringback


async def _held_key(
    request: Request, account: CreatorDep, idempotency_key: IdempotencyKey = None
) -> AsyncIterator[str | None]:
    async with request.app.state.keys_in_use.hold(account.id, idempotency_key):
        yield idempotency_key


SettingsDep = Annotated[Settings, Depends(_settings)]
RingbackDep = Annotated[Ringback, Depends(_ringback)]
# Stands before the session in each signature, so that it is given back only after the commit.
HeldKeyDep = Annotated[str | None, Depends(_held_key, scope="function")]


@router.post(
    "/",
    callbacks=invoices_callback_router.routes,
    responses=responses(
        Unreadable, service.IdConflict, KeyInUse, TooLarge, UnsupportedType, Invalid, KeyReused
    ),
)
async def create_invoice(
    invoice: schemas.Invoice,
    account: CreatorDep,
    key: HeldKeyDep,
    callbacks: Callbacks,
    session: SessionDep,
    settings: SettingsDep,
    ringback: RingbackDep,
    callback_url: schemas.CallbackUrl | None = None,
) -> schemas.InvoiceReceived:
    """Create an invoice.

    The service sends it to the customer, collects the money on the page behind `pay_url`, and then calls
    you back: the Callbacks tab shows what to build. The same request sent again makes no second invoice.
    """
    order = service.Order.of(invoice, settings.currency)
    url = str(callback_url) if callback_url else None
    seal = AnswerSeal(settings.server_keys)
    once = Once(session, account.id, key, service.fingerprint(order, url), seal)
    if (kept := await once.answer()) is not None:
        return schemas.InvoiceReceived.model_validate_json(kept)
    row = await service.create(session, ringback, callbacks, settings, account.id, order, url)
    received = schemas.InvoiceReceived(**_state(row, settings))
    await once.keep(received.model_dump_json())
    return received


@router.get("/")
async def list_invoices(
    account: ReaderDep,
    session: ReadSessionDep,
    settings: SettingsDep,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[
        str | None, Query(max_length=255, description="`next_cursor` of the page before.")
    ] = None,
    status: Annotated[Status | None, Query(description="Only the invoices in this state.")] = None,
) -> schemas.InvoicePage:
    """List your invoices, newest first."""
    rows, following = await service.page(session, account.id, cursor=cursor, status=status, limit=limit)
    states = [schemas.InvoiceState(**_state(row, settings)) for row in rows]
    return schemas.InvoicePage(invoices=states, next_cursor=following)


@router.get("/{invoice_id}", responses=responses(service.InvoiceNotFound))
async def read_invoice(
    invoice_id: InvoiceIdPath,
    account: ReaderDep,
    session: ReadSessionDep,
    settings: SettingsDep,
    ringback: RingbackDep,
) -> schemas.InvoiceDetail:
    """Read an invoice, and what became of its callbacks."""
    row = await service.get(session, account.id, invoice_id)
    return await _detail(row, session, settings, ringback)


@router.get(
    "/{invoice_id}/pdf",
    response_class=Response,
    responses={
        **responses(service.InvoiceNotFound, PdfUnavailable),
        200: {"description": "The invoice as a PDF.", "content": {"application/pdf": {}}},
    },
)
async def read_pdf(
    invoice_id: InvoiceIdPath,
    account: ReaderDep,
    settings: SettingsDep,
    request: Request,
) -> Response:
    """Read an invoice as a PDF, as it stands now."""
    # A transaction of its own, over before the rendering starts: a reader holds up SQLite's writers.
    async with reading(request.app.state.sessions) as session:
        row = await service.get(session, account.id, invoice_id)
    renderer: Renderer = request.app.state.renderer
    try:
        pdf = await renderer.render(
            InvoicePdf.of(row, pay_url=service.pay_url(settings, row), seller=settings.seller)
        )
    except PdfFailed as error:
        raise PdfUnavailable(f"no PDF could be made now: {error}") from error
    return Response(pdf, media_type="application/pdf")


@router.post(
    "/{invoice_id}/void",
    responses=responses(Unreadable, service.InvoiceNotFound, service.TransitionRefused, TooLarge),
)
async def void_invoice(
    invoice_id: InvoiceIdPath,
    account: ManagerDep,
    session: SessionDep,
    settings: SettingsDep,
    ringback: RingbackDep,
) -> schemas.InvoiceDetail:
    """Withdraw an invoice that nobody has paid: its page says so, and it can no longer be paid."""
    row = await service.void(session, account.id, invoice_id)
    return await _detail(row, session, settings, ringback)


async def _detail(
    row: Invoice, session: SessionDep, settings: Settings, ringback: Ringback
) -> schemas.InvoiceDetail:
    reports = await ringback.deliveries(session, owner=row.account_id, key=row.id)
    now = datetime.now(UTC)
    deliveries = [
        delivery_of(report, now) for report in reports if report.callback is not None and report.key == row.id
    ]
    return schemas.InvoiceDetail(**_state(row, settings), deliveries=deliveries)


def _state(row: Invoice, settings: Settings) -> dict[str, Any]:
    return {
        "id": row.id,
        "title": row.title,
        "customer": row.customer,
        "customer_email": row.customer_email,
        "total": money.amount_of(row.total_minor, row.currency),
        "currency": row.currency,
        "status": row.status,
        "pay_url": service.pay_url(settings, row),
        "callback_url": row.callback_url,
        "created_at": row.created_at,
        "paid_at": row.paid_at,
        "voided_at": row.voided_at,
    }
