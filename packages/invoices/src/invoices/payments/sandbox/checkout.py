"""The page on which the customer approves or declines, made of one form and no script."""

from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from invoices.pages.rendering import page
from invoices.payments.body import BodyTooLarge, read_body
from invoices.payments.sandbox.form import MalformedForm, parse_form
from invoices.payments.sandbox.rules import DECISIONS, pass_time

__all__ = ["router"]

MAX_FORM = 4 * 1024

_STAY = ("decline", "never_tell", "dispute")

router = APIRouter()


@router.get("/checkout/{session_id}")
async def show_checkout(request: Request, session_id: str) -> Response:
    """The amount, and a button for each thing that can happen to a card."""
    session = await request.app.state.sandbox.change(session_id, pass_time)
    return _page(request, session)


@router.post("/checkout/{session_id}")
async def decide_checkout(request: Request, session_id: str) -> Response:
    """Do what the button says. Only the first payment counts; a declined session can be tried again."""
    sandbox = request.app.state.sandbox
    try:
        decision = parse_form(await read_body(request, MAX_FORM)).get("decision")
    except (BodyTooLarge, MalformedForm):
        decision = None
    rule = DECISIONS.get(decision) if isinstance(decision, str) else None
    session = await sandbox.change(session_id, rule or pass_time)
    if session is None or rule is None:
        return _page(request, session, status_code=422)
    # Whose news are lost is not sent back either: the way back would bring them.
    if decision not in _STAY and session["status"] == "complete":
        return RedirectResponse(session["success_url"], 303)
    return RedirectResponse(f"{sandbox.config.public_url}/checkout/{session_id}", 303)


def _page(request: Request, session: dict[str, Any] | None, *, status_code: int = 200) -> Response:
    if session is None:
        return page(request, "checkout_unknown.html", status_code=404, testing=True)
    goal = urlsplit(session["success_url"])
    return page(
        request,
        "checkout.html",
        status_code=status_code,
        form_targets=(f"{goal.scheme}://{goal.netloc}",),
        testing=True,
        checkout=session,
        title=session["sandbox"]["title"],
        declined=session["sandbox"]["declines"] > 0,
        misunderstood=status_code == 422,
    )
