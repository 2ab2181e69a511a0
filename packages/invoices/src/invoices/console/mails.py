"""The console's pages of mails: what was sent to whom, what became of it, and how it looks."""

import email
import email.policy
import re
import time
from http import HTTPStatus
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from invoices.console.reading import Reading, number_of, word_of
from invoices.mail.preview import Preview, preview
from invoices.mail.service import kind_of_mail
from invoices.pdf import PdfFailed, PdfRefused
from ringback import DeliveryReport, Filter, State
from ringback.console import framed, page

__all__ = ["MailPages"]

ON_A_LEAF: Final = 50

_ID: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}", re.ASCII)


class MailPages:
    """Shows mails as their recipients see them, whether they go to a server or into a folder."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self.routes = [
            Route("/mails", self.list),
            Route("/mails/{id}", self.show),
            Route("/mails/{id}/html", self.html),
            Route("/mails/{id}/pdf", self.pdf),
        ]

    async def list(self, request: Request) -> Response:
        """The newest mails, by account and state."""
        state, account = word_of(request, "state"), word_of(request, "account")
        wanted = Filter(
            states=(State(state),) if state in list(State) else (), owner=account or None, channel="mail"
        )
        before = number_of(word_of(request, "before"))
        async with self._reading.session() as session:
            leaf = await self._reading.ringback.search(session, wanted, before=before, limit=ON_A_LEAF)
        return page(
            request,
            "mails.html",
            leaf=leaf,
            chosen={"state": state, "account": account},
            states=list(State),
            kind_of_mail=kind_of_mail,
            to_server=self._reading.settings.smtp_url is not None,
            is_first=before is None,
            now=time.time(),
        )

    async def show(self, request: Request) -> Response:
        """One mail: its head, its text, and its HTML in a frame."""
        report, mail = await self._find(request)
        message = None if mail is None else email.message_from_bytes(mail.raw, policy=email.policy.default)
        text = None if message is None else message.get_body(("plain",))
        return page(
            request,
            "mail.html",
            one=report,
            mail=mail,
            head=[(name, value) for name, value in (message or {}).items() if name in _HEAD],
            subject=None if message is None else message["Subject"],
            text=None if text is None else text.get_content(),
            now=time.time(),
        )

    async def html(self, request: Request) -> Response:
        """The HTML part alone, for the frame."""
        _, mail = await self._find(request)
        if mail is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return framed(request, mail.html.replace("<head>", '<head><base target="_blank">', 1))

    async def pdf(self, request: Request) -> Response:
        """The attachment, made anew: its bytes are the same."""
        _, mail = await self._find(request)
        if mail is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        try:
            content = await self._reading.renderer.render(mail.document)
        except (PdfFailed, PdfRefused):
            raise HTTPException(HTTPStatus.NOT_FOUND) from None
        headers = {"Content-Disposition": 'attachment; filename="invoice.pdf"'}
        return Response(content, media_type="application/pdf", headers=headers)

    async def _find(self, request: Request) -> tuple[DeliveryReport, Preview | None]:
        id_ = request.path_params["id"]
        if not _ID.fullmatch(id_):
            raise HTTPException(HTTPStatus.NOT_FOUND)
        async with self._reading.session() as session:
            found = await self._reading.ringback.find(session, id_)
        if found is None or found[0].channel != "mail":
            raise HTTPException(HTTPStatus.NOT_FOUND)
        report, body = found
        return report, await preview(self._reading.settings, self._reading.link_to, body)


_HEAD: Final = ("From", "To", "Subject", "Date", "Message-ID")
