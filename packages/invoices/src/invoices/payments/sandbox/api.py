"""The endpoints of Stripe's API that the service uses: checkout sessions and refunds."""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import ValidationError

from invoices.payments.body import BodyTooLarge, read_body
from invoices.payments.sandbox.form import MalformedForm, parse_form
from invoices.payments.sandbox.ledger import Books, Event, KeyReused
from invoices.payments.sandbox.refunds import CreateRefund, RefundRefused, new_refund
from invoices.payments.sandbox.rules import expire, pass_time
from invoices.payments.sandbox.sessions import MAX_AMOUNT, CreateSession, new_session, public

__all__ = ["Refused", "refuse", "router"]

MAX_BODY = 64 * 1024

router = APIRouter()


class Refused(Exception):
    """A request that Stripe's API would refuse, with the status and the error object of its documentation."""

    def __init__(
        self,
        status_code: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
    ) -> None:
        self.status_code = status_code
        error = {"type": kind, "message": message, "code": code, "param": param}
        self.body = {"error": {name: value for name, value in error.items() if value is not None}}
        super().__init__(message)


async def refuse(_request: Request, error: Exception) -> JSONResponse:
    """A refusal as Stripe writes it."""
    assert isinstance(error, Refused)
    return JSONResponse(error.body, error.status_code, headers=_headers())


@router.post("/v1/checkout/sessions")
async def create_session(request: Request) -> JSONResponse:
    """Make a checkout session; the same ``Idempotency-Key`` and parameters give the same session again."""
    sandbox = request.app.state.sandbox

    def make(books: Books) -> tuple[dict[str, Any], list[Event]]:
        session = new_session(parameters, public_url=sandbox.config.public_url, now=sandbox.now())
        books.keep_session(session)
        return session, []

    body = await _body(request)
    parameters = _checked(_form(body))
    return await _answered_once(request, body, make)


@router.get("/v1/checkout/sessions/{session_id}")
async def retrieve_session(request: Request, session_id: str) -> JSONResponse:
    """The checkout session as it stands now."""
    return await _session(request, session_id, pass_time)


@router.post("/v1/checkout/sessions/{session_id}/expire")
async def expire_session(request: Request, session_id: str) -> JSONResponse:
    """Close a checkout session that is open."""
    sandbox = request.app.state.sandbox
    _check_key(request, sandbox.config.api_key)
    session = await sandbox.change(session_id, pass_time)
    if session is not None and session["status"] != "open":
        message = f"Only open checkout sessions can be expired; this one is {session['status']}."
        raise Refused(400, message, param="session")
    return await _session(request, session_id, expire)


@router.post("/v1/refunds")
async def create_refund(request: Request) -> JSONResponse:
    """Give the money of a payment back, or a part; the same ``Idempotency-Key`` gives the same refund."""
    sandbox = request.app.state.sandbox

    def make(books: Books) -> tuple[dict[str, Any], list[Event]]:
        session = books.session_of(parameters.payment_intent)
        earlier = books.refunds_of(parameters.payment_intent)
        refund, events = new_refund(parameters, session, earlier, now=sandbox.now())
        books.keep_refund(refund)
        return refund, events

    body = await _body(request)
    try:
        parameters = CreateRefund.model_validate(_form(body))
        return await _answered_once(request, body, make)
    except ValidationError as error:
        raise _refusal(error) from error
    except RefundRefused as error:
        status_code = 404 if error.code == "resource_missing" else 400
        raise Refused(status_code, str(error), code=error.code, param=error.param) from error


@router.get("/v1/refunds/{refund_id}")
async def retrieve_refund(request: Request, refund_id: str) -> JSONResponse:
    """The refund as it stands now."""
    sandbox = request.app.state.sandbox
    _check_key(request, sandbox.config.api_key)
    refund = await sandbox.ledger.refund(refund_id)
    if refund is None:
        raise Refused(404, f"No such refund: {refund_id[:80]!r}", code="resource_missing", param="id")
    return JSONResponse(refund, headers=_headers(request))


async def _session(request: Request, session_id: str, rule: Callable[..., Any]) -> JSONResponse:
    sandbox = request.app.state.sandbox
    _check_key(request, sandbox.config.api_key)
    session = await sandbox.change(session_id, rule)
    if session is None:
        message = f"No such checkout.session: {session_id[:80]!r}"
        raise Refused(404, message, code="resource_missing", param="id")
    return JSONResponse(public(session), headers=_headers(request))


async def _body(request: Request) -> bytes:
    _check_key(request, request.app.state.sandbox.config.api_key)
    try:
        return await read_body(request, MAX_BODY)
    except BodyTooLarge as error:
        raise Refused(400, str(error)) from error


def _form(body: bytes) -> dict[str, Any]:
    try:
        return parse_form(body)
    except MalformedForm as error:
        raise Refused(400, str(error)) from error


async def _answered_once(
    request: Request, body: bytes, make: Callable[[Books], tuple[dict[str, Any], list[Event]]]
) -> JSONResponse:
    sandbox = request.app.state.sandbox
    key = request.headers.get("idempotency-key")
    if key is not None and not 1 <= len(key) <= 255:
        raise Refused(400, "The idempotency key must have 1 to 255 characters", kind="idempotency_error")
    fingerprint = hashlib.sha256(request.url.path.encode() + body).hexdigest()
    try:
        answer = await sandbox.answer_once(key, fingerprint, make)
    except KeyReused as error:
        raise Refused(
            400,
            f"Keys for idempotent requests can only be used with the same parameters; {key!r} had others.",
            kind="idempotency_error",
        ) from error
    return JSONResponse(public(answer.object), headers=_headers(request, replayed=answer.replayed))


def _checked(form: dict[str, Any]) -> CreateSession:
    try:
        parameters = CreateSession.model_validate(form)
    except ValidationError as error:
        raise _refusal(error) from error
    currencies = {item.price_data.currency for item in parameters.line_items}
    if len(currencies) > 1:
        raise Refused(400, f"All prices must have one currency, not {', '.join(sorted(currencies))}")
    amount = sum(item.price_data.unit_amount * item.quantity for item in parameters.line_items)
    if amount > MAX_AMOUNT:
        message = f"The total amount must be at most {MAX_AMOUNT} minor units; it is {amount}"
        raise Refused(400, message, code="amount_too_large", param="line_items")
    return parameters


def _refusal(error: ValidationError) -> Refused:
    finding = error.errors(include_url=False, include_input=False)[0]
    first, *rest = (str(step) for step in finding["loc"])
    param = first + "".join(f"[{step}]" for step in rest)
    if finding["type"] == "extra_forbidden":
        return Refused(400, f"Received unknown parameter: {param}", code="parameter_unknown", param=param)
    if finding["type"] == "missing":
        return Refused(400, f"Missing required param: {param}.", code="parameter_missing", param=param)
    return Refused(400, f"Invalid {param}: {finding['msg']}", param=param)


def _check_key(request: Request, api_key: str) -> None:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            given = base64.b64decode(given, validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            given = ""
    if not hmac.compare_digest(given.encode(), api_key.encode()):
        raise Refused(401, "Invalid API Key provided: the sandbox has its own", code="api_key_invalid")


def _headers(request: Request | None = None, *, replayed: bool = False) -> dict[str, str]:
    headers = {"Request-Id": f"req_{secrets.token_hex(7)}", "Cache-Control": "no-cache, no-store"}
    for name in ("Idempotency-Key", "Stripe-Version"):
        if request is not None and (value := request.headers.get(name)):
            headers[name] = value
    return headers | ({"Idempotent-Replayed": "true"} if replayed else {})
