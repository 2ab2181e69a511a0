"""The invoice operations over HTTP: they translate, and decide nothing."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from invoices.accounts.access import REFUSALS, CreatorDep, ManagerDep, ReaderDep
from invoices.database import ReadSessionDep, SessionDep, reading
from invoices.errors import Invalid, ServiceError, TooLarge, Unreadable, UnsupportedType, responses
from invoices.exact_json import ExactJsonRoute
from invoices.invoices import schemas, service
from invoices.invoices.answer_seal import AnswerSeal
from invoices.invoices.answers import detail_of, events_of, state_of
from invoices.invoices.callbacks import invoices_callback_router
from invoices.invoices.dependencies import (
    HeldKeyDep,
    InvoiceIdPath,
    ManagersKeyDep,
    RingbackDep,
    SettingsDep,
)
from invoices.invoices.idempotency import KeyInUse, KeyReused, Once
from invoices.invoices.lifecycle import Status
from invoices.invoices.links import pay_url
from invoices.invoices.order import Order, sending
from invoices.payments.reconciliation import owe_closing
from invoices.pdf import InvoicePdf, PdfFailed, Renderer
from ringback import Callbacks

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
    order = Order.of(invoice, settings.currency, settings.language)
    url = str(callback_url) if callback_url else None
    seal = AnswerSeal(settings.server_keys)
    once = Once(session, account.id, key, order.fingerprint(url), seal)
    if (kept := await once.answer()) is not None:
        return schemas.InvoiceReceived.model_validate_json(kept)
    row = await service.create(session, ringback, callbacks, settings, account, order, url)
    received = schemas.InvoiceReceived(**state_of(row, settings))
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
    states = [schemas.InvoiceState(**state_of(row, settings)) for row in rows]
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
    return await detail_of(row, session, settings, ringback)


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
            InvoicePdf.of(row, pay_url=pay_url(settings, row), seller=settings.seller)
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
    row = await service.void(session, ringback, account.id, invoice_id)
    await owe_closing(session, ringback, row)
    return await detail_of(row, session, settings, ringback)


@router.post(
    "/{invoice_id}/write-off",
    responses=responses(Unreadable, service.InvoiceNotFound, service.TransitionRefused, TooLarge),
)
async def write_off_invoice(
    invoice_id: InvoiceIdPath,
    account: ManagerDep,
    session: SessionDep,
    settings: SettingsDep,
    ringback: RingbackDep,
) -> schemas.InvoiceDetail:
    """Give up on an invoice that nobody has paid: it is uncollectible, and nobody is reminded of it."""
    row = await service.write_off(session, ringback, account.id, invoice_id)
    await owe_closing(session, ringback, row)
    return await detail_of(row, session, settings, ringback)


@router.post(
    "/{invoice_id}/send",
    responses=responses(
        Unreadable, service.InvoiceNotFound, service.TransitionRefused, KeyInUse, TooLarge, Invalid, KeyReused
    ),
)
async def send_invoice(
    invoice_id: InvoiceIdPath,
    account: ManagerDep,
    key: ManagersKeyDep,
    session: SessionDep,
    settings: SettingsDep,
    ringback: RingbackDep,
) -> schemas.InvoiceDetail:
    """Mail the invoice to the customer once more, while it is owed.

    Send an `Idempotency-Key`: the same request again then mails nothing a second time.
    """
    once = Once(session, account.id, key, sending(invoice_id), AnswerSeal(settings.server_keys))
    if (kept := await once.answer()) is not None:
        return schemas.InvoiceDetail.model_validate_json(kept)
    row = await service.send(session, ringback, settings, account.id, invoice_id)
    detail = await detail_of(row, session, settings, ringback)
    await once.keep(detail.model_dump_json())
    return detail


@router.get("/{invoice_id}/events", responses=responses(service.InvoiceNotFound))
async def list_events(
    invoice_id: InvoiceIdPath,
    account: ReaderDep,
    session: ReadSessionDep,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[
        str | None,
        Query(max_length=20, description="`next_cursor` of the last answer, or an event's own `cursor`."),
    ] = None,
) -> schemas.EventPage:
    """List what happened to an invoice, for whoever rather asks than is called back.

    The events are those of the callbacks, in the same order and with the same words, and those that your
    account is not called back about.
    """
    return await events_of(session, account.id, invoice_id, cursor=cursor, limit=limit)
