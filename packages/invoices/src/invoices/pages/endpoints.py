"""The hosted invoice: what it says, and the way from it to the payment provider and back."""

import logging
import math
from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse

from invoices.invoices.links import pay_url
from invoices.invoices.service import standing_of
from invoices.languages import wanted
from invoices.pages import assets
from invoices.pages.bill_view import BillView
from invoices.pages.rendering import page
from invoices.pages.watching import Watchers
from invoices.payments.provider import Refused, Unavailable
from invoices.payments.service import Bill, Cashier, UnknownLink
from invoices.pdf import InvoicePdf, PdfFailed, Renderer
from invoices.pdf.text import file_stem
from invoices.rate_limits import RateLimits

__all__ = ["router"]

_log = logging.getLogger(__name__)

STRIPE_CHECKOUT = "https://checkout.stripe.com"

router = APIRouter(include_in_schema=False)
router.include_router(assets.router)


@router.get("/pay/{token}")
async def show_invoice(request: Request, token: str) -> Response:
    """The invoice and its state; after a visit to the checkout the provider is asked first."""
    try:
        bill = await Cashier.of(request.app.state).show(token, returned="returned" in request.query_params)
    except UnknownLink:
        return _unknown(request)
    return _invoice(request, token, bill)


@router.post("/pay/{token}")
async def pay_invoice(request: Request, token: str) -> Response:
    """Send the customer to the checkout; where nothing is to be paid, back to the invoice."""
    cashier = Cashier.of(request.app.state)
    try:
        url = await cashier.begin(token)
    except UnknownLink:
        return _unknown(request)
    except Unavailable as error:
        _log.warning("a customer could not be sent to the checkout: %s", error)
        bill = await cashier.show(token)
        return _invoice(request, token, bill, problem="unavailable", status_code=503)
    except Refused as error:
        bill = await cashier.show(token)
        problem = "too_large" if error.code == "amount_too_large" else "refused"
        return _invoice(request, token, bill, problem=problem, status_code=502)
    if url is None:
        return RedirectResponse(_here(request, token), 303)
    if _origin(url) not in _checkouts(request):
        language = (await cashier.show(token)).invoice.language
        return page(request, "continue.html", testing=_testing(request), language=language, checkout_url=url)
    return RedirectResponse(url, 303, headers={"Referrer-Policy": "no-referrer"})


@router.get("/pay/{token}/events")
async def watch_invoice(request: Request, token: str, seen: str = "") -> Response:
    """A stream that tells the open page when the invoice stands elsewhere than it has `seen`."""
    try:
        bill = await Cashier.of(request.app.state).show(token)
    except UnknownLink:
        return _unknown(request)
    watchers: Watchers = request.app.state.watchers
    if not watchers.has_place(bill.invoice.pk):
        return Response(status_code=204)  # a browser does not ask again after this
    return StreamingResponse(
        watchers.events(bill.invoice.pk, seen[:64]),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )


@router.get("/pay/{token}/invoice.pdf")
async def read_pdf(request: Request, token: str) -> Response:
    """The invoice as a PDF; whoever has the link has the invoice in full."""
    try:
        bill = await Cashier.of(request.app.state).show(token)
    except UnknownLink:
        return _unknown(request)
    invoice = bill.invoice
    renderer: Renderer = request.app.state.renderer
    settings = request.app.state.settings
    link = pay_url(settings, invoice)
    try:
        pdf = await renderer.render(InvoicePdf.of(invoice, pay_url=link, seller=settings.seller))
    except PdfFailed as error:
        _log.error("the PDF of invoice %r could not be made: %s", invoice.id, error)
        return _invoice(request, token, bill, problem="no_pdf", status_code=503)
    name = f"{file_stem(f'invoice-{invoice.id}')}.pdf"
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "no-store",
        "X-Robots-Tag": "noindex, nofollow",
    }
    return Response(pdf, headers=headers, media_type="application/pdf")


def _invoice(
    request: Request, token: str, bill: Bill, *, problem: str | None = None, status_code: int = 200
) -> Response:
    invoice, settings = bill.invoice, request.app.state.settings
    return page(
        request,
        "invoice.html",
        testing=_testing(request),
        language=invoice.language,
        status_code=status_code,
        form_targets=_checkouts(request),
        headers={"Retry-After": "30"} if status_code == 503 else None,
        live=True,
        bill=BillView.of(invoice),
        standing=standing_of(invoice),
        seller=settings.seller,
        link=pay_url(settings, invoice),
        declined=bill.declined,
        unconfirmed=bill.unconfirmed,
        problem=problem,
        here=_here(request, token),
    )


def _unknown(request: Request) -> Response:
    """The same page for every link that opens nothing; whoever tries many is told to wait."""
    limits: RateLimits = request.app.state.rate_limits
    wait = limits.guess_wait(request)
    status_code, headers = (429, {"Retry-After": str(math.ceil(wait))}) if wait else (404, {})
    return page(
        request,
        "unknown.html",
        testing=_testing(request),
        language=wanted(request.headers.get("Accept-Language", ""), request.app.state.settings.language),
        status_code=status_code,
        headers={"Vary": "Accept-Language"} | headers,
    )


def _here(request: Request, token: str) -> str:
    return f"{request.scope.get('root_path', '')}/pay/{token}"


def _testing(request: Request) -> bool:
    return not request.app.state.provider.livemode


def _checkouts(request: Request) -> tuple[str, ...]:
    """The origins on which a checkout is expected, and to which the page's form may lead."""
    settings = request.app.state.settings
    return (STRIPE_CHECKOUT,) if settings.payments == "stripe" else (_origin(settings.site),)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
